/** How one client connects. */
export interface ClientSetup {
  readonly client: string;
  /** What to do with the text. */
  readonly how: string;
  readonly text: string;
  /** What must hold besides. */
  readonly note?: string;
}

/** What the texts are made of. */
export interface SetupOptions {
  /** The server's name for programs. */
  readonly name: string;
  readonly url: string;
  /** Whether the client sends a token, which the user fills in. */
  readonly hasToken: boolean;
}

/** Stands for the token in every text. */
const token = 'YOUR_TOKEN';

/** How clients connect to the server, with texts to copy. */
export function setups({ name, url, hasToken }: SetupOptions): ClientSetup[] {
  const header = `Authorization: Bearer ${token}`;
  const headers = hasToken ? { headers: { Authorization: `Bearer ${token}` } } : {};
  const json = (value: unknown) => JSON.stringify(value, undefined, 2);
  const initialize = JSON.stringify({
    jsonrpc: '2.0',
    id: 1,
    method: 'initialize',
    params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'curl', version: '1' } },
  });
  const isPublic = url.startsWith('https:') && !/^https:\/\/(?:localhost|127\.|\[::1\])/u.test(url);
  const note = isPublic ? {} : { note: 'This client needs a public https address, which this endpoint does not have here.' };
  return [
    {
      client: 'Claude Code',
      how: 'Run in a terminal.',
      text: `claude mcp add --transport http ${name} ${url}${hasToken ? ` \\\n  --header "${header}"` : ''}`,
    },
    {
      client: 'Claude Desktop',
      how: 'Settings, Connectors, Add custom connector takes a public address and signs in by OAuth. For any other endpoint, put this into claude_desktop_config.json.',
      text: json({
        mcpServers: { [name]: { command: 'npx', args: ['-y', 'mcp-remote', url, ...(hasToken ? ['--header', header] : [])] } },
      }),
    },
    {
      client: 'ChatGPT',
      how: 'Settings, Apps & Connectors, Advanced settings: switch on developer mode. Then create a connector with this address.',
      text: url,
      ...note,
    },
    { client: 'Cursor', how: 'Put into .cursor/mcp.json.', text: json({ mcpServers: { [name]: { url, ...headers } } }) },
    { client: 'VS Code', how: 'Put into .vscode/mcp.json.', text: json({ servers: { [name]: { type: 'http', url, ...headers } } }) },
    {
      client: 'Google ADK',
      how: 'Give an agent these tools.',
      text: [
        'from google.adk.tools.mcp_tool import McpToolset, StreamableHTTPConnectionParams',
        '',
        'tools = McpToolset(',
        '    connection_params=StreamableHTTPConnectionParams(',
        `        url="${url}",`,
        ...(hasToken ? [`        headers={"Authorization": "Bearer ${token}"},`] : []),
        '    )',
        ')',
      ].join('\n'),
    },
    {
      client: 'MCP Inspector',
      how: 'Run in a terminal, which opens the Inspector in a browser.',
      text: `npx @modelcontextprotocol/inspector --transport http --server-url ${url}`,
      ...(hasToken && { note: `In the Inspector, add the header ${header}.` }),
    },
    {
      client: 'curl',
      how: 'Run in a terminal. The answer has the header Mcp-Session-Id, which every further request repeats.',
      text: [
        `curl -si ${url} \\`,
        ...(hasToken ? [`  -H '${header}' \\`] : []),
        "  -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' \\",
        `  -d '${initialize}'`,
      ].join('\n'),
    },
  ];
}
