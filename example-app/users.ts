import type { Context, Middleware } from 'koa';

/** A signed-in user. A guest is `undefined` instead. */
export interface User {
  readonly id: string;
  readonly role: 'client' | 'staff';
  readonly clientId?: number;
}

/** Demo tokens. A real app verifies a token of its identity provider here. */
export const users: ReadonlyMap<string, User> = new Map<string, User>([
  ['demo-ada', { id: 'ada', role: 'client', clientId: 1 }],
  ['demo-grace', { id: 'grace', role: 'client', clientId: 2 }],
  ['demo-staff', { id: 'staff', role: 'staff' }],
]);

/** Puts the user of a bearer token into `ctx.state.user`. A request without a token is a guest; an unknown token is answered 401. */
export const signIn: Middleware = async function signIn(ctx, next) {
  const authorization = ctx.get('Authorization');
  const [, token] = /^Bearer +(\S+) *$/i.exec(authorization) ?? [];
  const user = token === undefined ? undefined : users.get(token);
  if (authorization !== '' && user === undefined) refuse(ctx, 'Unknown token', 'invalid_token');
  ctx.state['user'] = user;
  await next();
};

/** The user of a REST request or an MCP call. Both contexts have `state.user`. */
export function userOf(ctx: { state: { user?: User } }): User | undefined {
  return ctx.state.user;
}

/** The user of an MCP call that writes. Answers a guest with 403 and asks for a sign-in. */
export function signedIn(ctx: { state: { user?: User }; throw: Context['throw'] }): User {
  return userOf(ctx) ?? ctx.throw(403, 'Guests may only read; sign in with a bearer token');
}

/**
 * Answers 401 with a `WWW-Authenticate` header, which tells the client how to sign in.
 *
 * @param error What is wrong with the token; a request without a token has none. RFC 6750 §3.1.
 */
export function refuse(ctx: Pick<Context, 'throw'>, message: string, error?: 'invalid_token'): never {
  const challenge = `Bearer realm="reservations"${error === undefined ? '' : `, error="${error}"`}`;
  return ctx.throw(401, message, { headers: { 'WWW-Authenticate': challenge } });
}
