import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { base64url, exportJWK, exportSPKI, generateKeyPair, importJWK, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { jwtVerifier } from '../../src/index.ts';
import type { Claims, Issuer } from '../support/issuer.ts';
import { inSeconds, startIssuer } from '../support/issuer.ts';
import type { TestServer } from '../support/server.ts';
import { start } from '../support/server.ts';
import { routes } from './routes.ts';

const audience = 'https://api.example.com/mcp';
let issuer: Issuer;
let intruder: Awaited<ReturnType<typeof startIntruder>>;
let server: TestServer;
beforeAll(async () => {
  issuer = await startIssuer();
  intruder = await startIntruder();
  const verify = jwtVerifier({ issuer: issuer.url, audience, jwks: issuer.jwks });
  const auth = { verify, authorizationServers: [issuer.url], requiredScopes: ['mcp'] };
  const who = { description: 'Says hello', handler: () => 'hello' };
  server = await start({ auth, tools: { who }, operators: () => true });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await intruder.close();
  await issuer[Symbol.asyncDispose]();
});

const good = (): Claims => ({ iss: issuer.url, aud: audience, sub: 'ada', exp: inSeconds(60), scope: 'mcp' });
const sign = (claims: Claims = {}): Promise<string> => issuer.sign({ ...good(), ...claims });

/** A key of the intruder, and a server that offers it and counts who asks for it. */
async function startIntruder() {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), kid: 'first', alg: 'ES256', use: 'sig' };
  let asked = 0;
  const offering = createServer((_, response) => {
    asked += 1;
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: [jwk] }));
  });
  offering.listen(0, '127.0.0.1');
  await once(offering, 'listening');
  return {
    jwk,
    url: `http://127.0.0.1:${(offering.address() as AddressInfo).port}/jwks.json`,
    asked: () => asked,
    sign: (header: object) => new SignJWT({ ...good() }).setProtectedHeader({ alg: 'ES256', ...header }).sign(privateKey),
    close: async () => {
      offering.close();
      await once(offering, 'close');
    },
  };
}

const encoded = (value: unknown): string => base64url.encode(JSON.stringify(value));
const unsigned = (header: object, signature = ''): string => `${encoded(header)}.${encoded(good())}.${signature}`;

/** Signs with HS256. What the issuer publishes is the secret, as for a verifier that takes the algorithm from the token. */
async function withPublicKey(form: (jwk: Record<string, unknown>) => Promise<string> | string): Promise<string> {
  const { keys } = (await (await fetch(issuer.jwks)).json()) as { keys: [Record<string, unknown>] };
  const secret = new TextEncoder().encode(await form(keys[0]));
  return new SignJWT({ ...good() }).setProtectedHeader({ alg: 'HS256', kid: 'first' }).sign(secret);
}

const pem = async (jwk: object): Promise<string> =>
  exportSPKI((await importJWK({ ...jwk, alg: 'ES256' })) as Parameters<typeof exportSPKI>[0]);

/** What the intruder sends in place of a good access token. */
const forged: Readonly<Record<string, () => string | Promise<string>>> = {
  'for another audience': () => sign({ aud: 'https://other.example.com/mcp' }),
  'for other audiences': () => sign({ aud: ['https://other.example.com/mcp', 'https://api.example.com'] }),
  'for an audience that begins with the right one': () => sign({ aud: `${audience}/admin` }),
  'for the audience with a slash': () => sign({ aud: `${audience}/` }),
  'for no audience': () => sign({ aud: undefined }),
  'of another issuer': () => sign({ iss: 'https://evil.example.com' }),
  'of an issuer that begins with the right one': () => sign({ iss: `${issuer.url}.evil.example.com` }),
  'of no issuer': () => sign({ iss: undefined }),
  'that has expired': () => sign({ exp: inSeconds(-10) }),
  'that never expires': () => sign({ exp: undefined }),
  'that is not good yet': () => sign({ nbf: inSeconds(60) }),
  'with alg none': () => unsigned({ alg: 'none' }),
  'with alg None': () => unsigned({ alg: 'None' }),
  'with alg nOnE and a signature': () => unsigned({ alg: 'nOnE' }, 'AAAA'),
  'without alg': () => unsigned({ typ: 'JWT' }),
  'signed by HS256 with the public key as PEM': () => withPublicKey(pem),
  'signed by HS256 with the public key as JWK': () => withPublicKey(JSON.stringify),
  'signed by HS256 with a coordinate of the public key': () => withPublicKey(({ x }) => String(x)),
  'signed by another key of the same name': () => issuer.sign(good(), { isForged: true }),
  'with no signature': async () => (await sign()).replace(/[^.]+$/u, ''),
  'with a signature of zeros': () => unsigned({ alg: 'ES256', kid: 'first' }, base64url.encode(new Uint8Array(64))),
  'with one bit of the signature changed': async () => (await sign()).replace(/[^.](?=.{40}$)/u, char => (char === 'A' ? 'B' : 'A')),
  'with half a signature': async () => (await sign()).slice(0, -43),
  'with the claims of another user': async () => (await sign()).replace(/\.[^.]+\./u, `.${encoded({ ...good(), sub: 'root' })}.`),
  'with its own key in the header': () => intruder.sign({ kid: 'first', jwk: intruder.jwk }),
  'with the URL of its own keys': () => intruder.sign({ kid: 'first', jku: intruder.url, x5u: intruder.url }),
  'with a certificate of its own': () => intruder.sign({ kid: 'first', x5c: ['MIIB'] }),
  'whose kid is a path': () => intruder.sign({ kid: '../../../../dev/null' }),
  'whose kid is a URL': () => intruder.sign({ kid: intruder.url }),
  'whose kid is SQL': () => intruder.sign({ kid: "' OR 1=1 --" }),
  'whose kid is unknown': () => intruder.sign({ kid: 'second' }),
  'whose kid names a member of every object': () => intruder.sign({ kid: '__proto__' }),
  'without a kid, signed by another key': () => intruder.sign({}),
  'with a critical extension that nobody knows': () => intruder.sign({ kid: 'first', crit: ['b64'], b64: true }),
  'of nobody': () => sign({ sub: undefined }),
  'that is no JWT': () => 'abc',
  'of five parts': async () => `${await sign()}.a.b`,
  'that is too long': () => 'A'.repeat(12_000),
};

describe.each(routes)('%s', (_, route) => {
  it.each(Object.keys(forged))('is answered 401 and invalid_token with a token %s', async name => {
    const [url, init] = route(server.url);
    const response = await fetch(url, { ...init, headers: { ...init.headers, authorization: `Bearer ${await forged[name]?.()}` } });
    const { error } = (await response.json()) as { error: unknown };
    // The same words for each: nothing tells the intruder what to change.
    const description = 'The access token is malformed, expired, revoked or for another server';
    expect([response.status, error]).toEqual([401, { code: -32600, message: `Unauthorized: ${description}` }]);
    const metadata = `${server.origin}/.well-known/oauth-protected-resource/mcp`;
    expect(response.headers.get('www-authenticate')).toBe(
      `Bearer error="invalid_token", error_description="${description}", scope="mcp", resource_metadata="${metadata}"`,
    );
  });
});

/** Sends `initialize` with these header lines as they stand. */
async function initialize(lines: readonly string[], { path = '', body = {} }: { path?: string; body?: object } = {}) {
  const [url, init] = routes[0]?.[1](server.url) ?? ['', { headers: {} }];
  const headers = [...Object.entries({ host: new URL(url).host, ...init.headers }).flat(), ...lines];
  const outgoing = request(url + path, { method: 'POST', headers });
  outgoing.end(JSON.stringify({ ...JSON.parse(init.body as string), ...body }));
  const [response] = await once(outgoing, 'response');
  response.resume();
  return { status: response.statusCode as number, challenge: String(response.headers['www-authenticate']) };
}

describe('a good token', () => {
  it.each(['Bearer', 'bearer', 'BEARER', 'bEARER'])(
    'is taken with the scheme %s: RFC 9110 §11.1 compares schemes in any case',
    async scheme => {
      expect(await initialize(['authorization', `${scheme} ${await sign()}`])).toMatchObject({ status: 200 });
    },
  );

  it.each(['Basic', 'DPoP', 'Token', 'Bearerx', ''])('is not taken with the scheme "%s"', async scheme => {
    expect(await initialize(['authorization', `${scheme} ${await sign()}`])).toMatchObject({ status: 401 });
  });

  it.each([
    ['nothing', (token: string) => [token]],
    ['quotes', (token: string) => [`Bearer "${token}"`]],
    ['another token behind it', (token: string) => [`Bearer ${token} ${token}`]],
    ['another token behind a comma', (token: string) => [`Bearer ${token}, Bearer ${token}`]],
    ['a parameter', (token: string) => [`Bearer token=${token}`]],
  ])('is not taken with %s around it', async (_, lines) => {
    for (const line of lines(await sign())) expect(await initialize(['authorization', line])).toMatchObject({ status: 401 });
  });

  it('is taken from no other place than the header Authorization', async () => {
    const token = await sign();
    for (const path of [`?access_token=${token}`, `?token=${token}`, `?authorization=Bearer%20${token}`])
      expect(await initialize([], { path })).toMatchObject({ status: 401 });
    expect(await initialize(['cookie', `access_token=${token}; authorization=Bearer ${token}`])).toMatchObject({ status: 401 });
    expect(await initialize(['proxy-authorization', `Bearer ${token}`])).toMatchObject({ status: 401 });
    expect(await initialize(['x-access-token', token])).toMatchObject({ status: 401 });
    expect(await initialize([], { body: { access_token: token } })).toMatchObject({ status: 401 });
  });

  it('is refused with 400 and invalid_request beside a second Authorization, whichever is first: a proxy may have checked the other', async () => {
    const [ada, forgedToken] = [await sign(), await issuer.sign({ ...good(), sub: 'root' }, { isForged: true })];
    for (const pair of [
      [ada, forgedToken],
      [forgedToken, ada],
      [ada, ada],
    ]) {
      const answer = await initialize(pair.flatMap((token, index) => [index === 0 ? 'Authorization' : 'authorization', `Bearer ${token}`]));
      expect(answer).toEqual({ status: 400, challenge: expect.stringContaining('Bearer error="invalid_request"') });
    }
  });
});

it('no token makes the server ask the intruder for keys', () => {
  expect(intruder.asked()).toBe(0);
});

it('no forged token opens a session', async () => {
  for (const session of (await server.mcp.sessions.list({ take: 200 })).sessions) expect(session.principal).toBe('ada');
});
