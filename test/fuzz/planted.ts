import type { PlantedBug as Planted } from '../simulation/planted-bugs.ts';

/** A bug that is put into the source of the server before it is compiled. 2,000 exchanges of seed 1 have to find it. */
export interface PlantedBug extends Omit<Planted, 'seed'> {
  /** What the failure must say. */
  readonly says: RegExp;
}

/** One bug for each kind of failure. */
export const plantedBugs: readonly PlantedBug[] = [
  {
    name: 'trusted-type',
    what: 'the context of a completion is taken for an object',
    file: 'src/protocol/completion.ts',
    find: "const others = isObject(context) ? (context['arguments'] ?? {}) : undefined;",
    replace: "const others = Object.fromEntries(Object.entries((context as JsonObject)['arguments'] as object));",
    says: /internal error/,
  },
  {
    name: 'slow-pattern',
    what: 'a pattern needs the square of the length of a text',
    file: 'src/protocol/jsonrpc.ts',
    find: "if (typeof method !== 'string') throw",
    replace: "if (typeof method !== 'string' || /x*y/u.test(JSON.stringify(params) ?? '') === undefined) throw",
    says: /holds the event loop/,
  },
  {
    name: 'endless-pattern',
    what: 'a pattern tries all ways to divide a text',
    file: 'src/protocol/jsonrpc.ts',
    find: "if (typeof method !== 'string') throw",
    replace: "if (typeof method !== 'string' || /(?:x+x+)+y/u.test(JSON.stringify(params) ?? '') === undefined) throw",
    says: /the event loop does not turn/,
  },
  {
    name: 'failed-decompression',
    what: 'a body that cannot be decompressed counts as an error of the server',
    file: 'src/transport/http.ts',
    find: '/^(?:Z_(?:DATA|BUF)_ERROR|Z_NEED_DICT|ERR__ERROR_FORMAT_.*)$/u',
    replace: '/^Z_NEED_DICT$/u',
    says: /status 500/,
  },
  {
    name: 'no-answer',
    what: 'a body that is too large is never answered',
    file: 'src/transport/http.ts',
    find: 'throw toBodyError(error, maxBodyBytes);',
    replace:
      'if (error instanceof SyntaxError) {\n        ctx.respond = false;\n        return;\n      }\n      throw toBodyError(error, maxBodyBytes);',
    says: /neither answered nor closed/,
  },
  {
    name: 'crash',
    what: 'the reason of a cancellation is read later, without a look at its type',
    file: 'src/transport/serve.ts',
    find: "const reason = typeof given === 'string' ? given : undefined;",
    replace: 'const reason = given as string | undefined;\n    setImmediate(() => reason?.trim());',
    says: /the process ended with 1/,
  },
  {
    name: 'unbounded-completion',
    what: 'a completion has more values than its schema allows',
    file: 'src/protocol/completion.ts',
    find: 'values: values.slice(0, maxValues),',
    replace: 'values,',
    says: /against the schema/,
  },
  {
    name: 'kept-requests',
    what: 'each request is kept',
    file: 'src/transport/endpoint.ts',
    find: 'environment.requests.begin();',
    replace: 'environment.requests.begin();\n      ((globalThis as { kept?: unknown[] }).kept ??= []).push(ctx, Buffer.alloc(16_384));',
    says: /bytes more are in use/,
  },
];
