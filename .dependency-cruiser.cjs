// Who may import whom. The picture is in CONTRIBUTING.md; a rule's comment says why, its `name` is what the lint prints.
const only = (name, comment, from, allowed) => ({
  name,
  comment,
  severity: 'error',
  from: { path: from },
  to: { path: '^src/', pathNot: [from, ...allowed] },
});

/** Rules for the folders of `parent`, from the lowest up: each imports those below it, and the files of `parent` that stand below all of them. */
const rooms = (parent, folders, bottom) =>
  folders.map((folder, index) => ({
    name: `${folder}-directions`,
    comment: `${parent}/${folder} imports ${[...folders.slice(0, index), ...bottom].join(', ')} of ${parent}, and no folder above it.`,
    severity: 'error',
    from: { path: `^${parent}/${folder}/` },
    to: {
      path: `^${parent}/`,
      pathNot: [...folders.slice(0, index + 1).map(below => `^${parent}/${below}/`), `^${parent}/(${bottom.join('|')})\\.ts$`],
    },
  }));

const values = { dependencyTypesNot: ['type-only'] };

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      comment: 'Two files that need each other are one file, or three. Imports of types count too.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-unresolvable',
      comment: 'The file or package does not exist.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true, pathNot: '/generated/' },
    },
    {
      name: 'declared-only',
      comment: 'What src needs at run time must be in dependencies or peerDependencies.',
      severity: 'error',
      // The console is bundled: a browser needs no packages.
      from: { path: '^src/', pathNot: '^src/console/' },
      to: {
        dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown', 'unknown', 'undetermined'],
        dependencyTypesNot: ['type-only', 'npm', 'npm-peer'],
      },
    },
    {
      name: 'no-client-by-value',
      comment: 'Database and Redis clients come in as options, so there is no version or path to guess.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '(^|/)(@prisma/client|pg|redis|ioredis|@redis/[^/]+)(/|$)', ...values },
    },
    {
      name: 'no-koa-value-below-transport',
      comment: 'protocol, models and host must work without Koa.',
      severity: 'error',
      from: { path: '^src/(protocol|models|host)/' },
      to: { path: '(^|/)(koa|koa-[^/]+|@koa/[^/]+)(/|$)', ...values },
    },
    {
      name: 'no-http-below-transport',
      comment: 'protocol, models and host know JSON, not sockets.',
      severity: 'error',
      from: { path: '^src/(protocol|models|host)/' },
      to: { path: '^(node:)?(http|https|http2|net|tls)$' },
    },
    {
      name: 'server-knows-no-client',
      comment: 'client is for programs that call a server; the server itself has none.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(client|testing|cli|console)/' },
      to: { path: '^src/(client|testing)/' },
    },
    {
      name: 'entry-is-the-top',
      comment: 'Nothing imports index, and only index imports mcp.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/index\\.ts$' },
      to: { path: '^src/(mcp|index)\\.ts$' },
    },
    {
      name: 'no-folder-for-anything',
      comment: 'A folder is named after what is in it. These names fit anything.',
      severity: 'error',
      from: {},
      to: { path: '^src/(util|utils|common|helper|helpers|core|types|lib|shared|misc)/' },
    },
    {
      name: 'src-stands-alone',
      comment: 'src needs neither tests nor the example.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|example-app|prisma|dist)/' },
    },
    {
      name: 'transport-is-mounted-by-mcp',
      comment: 'Only mcp (and index, for its types) knows the transports.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(transport/|mcp\\.ts$|index\\.ts$)' },
      to: { path: '^src/transport/' },
    },
    {
      name: 'transport-knows-no-models',
      comment: 'A transport carries definitions; where they come from is not its business.',
      severity: 'error',
      from: { path: '^src/transport/' },
      to: { path: '^src/(models|cli)/' },
    },
    {
      name: 'options-are-types',
      comment: 'options.ts describes the layers; it does not pull them in.',
      severity: 'error',
      from: { path: '^src/options\\.ts$' },
      to: { path: '^src/', pathNot: '^src/errors\\.ts$', ...values },
    },
    {
      name: 'console-stands-alone',
      comment: 'The console runs in a browser and speaks the public protocol. Of the server it knows types of protocol alone.',
      severity: 'error',
      from: { path: '^src/console/' },
      to: { path: '^src/', pathNot: '^src/(console/|protocol/)' },
    },
    {
      name: 'console-takes-types',
      comment: 'See console-stands-alone.',
      severity: 'error',
      from: { path: '^src/console/' },
      to: { path: '^src/protocol/', ...values },
    },
    {
      name: 'console-is-bundled',
      comment: 'Only its build makes a file of the console, which transport serves.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/console/' },
      to: { path: '^src/console/' },
    },
    {
      name: 'console-has-preact-alone',
      comment: 'The page is small and has no other packages. The build has esbuild and Node.',
      severity: 'error',
      from: { path: '^src/console/', pathNot: '^src/console/build\\.ts$' },
      to: { pathNot: '^src/|(^|/)preact(/|$)' },
    },
    {
      name: 'components-know-no-console',
      comment: 'Other pages show the same forms, tables and cards.',
      severity: 'error',
      from: { path: '^src/console/components/' },
      to: { path: '^src/console/', pathNot: '^src/console/components/' },
    },
    only('errors-at-the-bottom', 'errors.ts imports nothing of this package.', '^src/errors\\.ts$', []),
    only('timing-at-the-bottom', 'timing.ts imports nothing of this package.', '^src/timing\\.ts$', []),
    only('protocol-directions', 'protocol imports errors.', '^src/protocol/', ['^src/errors\\.ts$']),
    only('store-directions', 'store keeps what protocol describes; it knows nothing of who uses it.', '^src/store/', [
      '^src/protocol/',
      '^src/errors\\.ts$',
    ]),
    only('session-directions', 'session imports store, protocol, errors and timing; it does not know the bus.', '^src/session/', [
      '^src/(store|protocol)/',
      '^src/(errors|timing)\\.ts$',
    ]),
    only('bus-directions', 'bus imports errors and timing; it does not know sessions.', '^src/bus/', ['^src/(errors|timing)\\.ts$']),
    only(
      'delivery-directions',
      "delivery brings rows and wake-ups together; what they are about is the transports' business.",
      '^src/delivery/',
      ['^src/(store|bus|protocol)/', '^src/(errors|timing)\\.ts$'],
    ),
    only('models-directions', 'models imports what a definition is made of, and errors.', '^src/models/', [
      '^src/protocol/(definitions|json-schema|uri-template)\\.ts$',
      '^src/errors\\.ts$',
    ]),
    ...rooms('src/models', ['declaration', 'datamodel', 'policy', 'arguments', 'live', 'queries', 'features'], ['messages', 'near-names']),
    only('client-directions', 'client speaks with any server: of this package it knows the types of the protocol.', '^src/client/', [
      '^src/protocol/(definitions|json-schema)\\.ts$',
    ]),
    only('testing-directions', "testing connects client to a host's app; it knows no endpoint.", '^src/testing/', [
      '^src/client/',
      '^src/protocol/definitions\\.ts$',
    ]),
    only(
      'cli-directions',
      'The commands and the generator run in a build. An endpoint comes from the module of the app, and shows them its report and its parts.',
      '^src/cli/',
      ['^src/models/(datamodel/datamodel|report|near-names)\\.ts$', '^src/(report|parts)\\.ts$'],
    ),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|coverage)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    detectProcessBuiltinModuleCalls: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'types', 'default'] },
  },
};
