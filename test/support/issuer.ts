import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { JWTPayload } from 'jose';
import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from 'jose';

/** An authorization server: its keys, its metadata, and the tokens that it would issue. */
export interface Issuer extends AsyncDisposable {
  /** `iss`, and where clients sign in. */
  readonly url: string;
  readonly jwks: string;
  /** Number of requests for the keys so far. */
  readonly fetches: number;
  /** Signs a token. A claim that is `undefined` is left out. */
  sign(claims: Claims, options?: SignOptions): Promise<string>;
  /** A token without a signature. */
  unsigned(claims: Claims): string;
}

/** Claims of a token. */
export type Claims = Readonly<Record<string, unknown>>;

export interface SignOptions {
  /** Signs with a key that the issuer does not publish. @default false */
  readonly isForged?: boolean;
  /** Signs with this shared key and HS256. */
  readonly sharedKey?: Uint8Array;
}

const algorithm = 'ES256';
const keyId = 'first';

/** Starts an issuer on loopback. */
export async function startIssuer(): Promise<Issuer> {
  const [own, other] = await Promise.all([generateKeyPair(algorithm), generateKeyPair(algorithm)]);
  const key = { ...(await exportJWK(own.publicKey)), kid: keyId, alg: algorithm, use: 'sig' };
  let fetches = 0;
  let url = '';
  const server = createServer((request, response) => {
    const answer = (body: object) => response.setHeader('content-type', 'application/json').end(JSON.stringify(body));
    if (request.url === '/jwks.json') {
      fetches += 1;
      answer({ keys: [key] });
    } else if (request.url === '/.well-known/oauth-authorization-server') {
      answer({
        issuer: url,
        authorization_endpoint: `${url}/authorize`,
        token_endpoint: `${url}/token`,
        response_types_supported: ['code'],
        code_challenge_methods_supported: ['S256'],
      });
    } else response.writeHead(404).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    jwks: `${url}/jwks.json`,
    get fetches() {
      return fetches;
    },
    sign: (claims, { isForged = false, sharedKey } = {}) => {
      const alg = sharedKey === undefined ? algorithm : 'HS256';
      return new SignJWT(present(claims)).setProtectedHeader({ alg, kid: keyId }).sign(sharedKey ?? (isForged ? other : own).privateKey);
    },
    unsigned: claims => new UnsecuredJWT(present(claims)).encode(),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function present(claims: Claims): JWTPayload {
  return Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined));
}

/** A time from now, as JWTs count it: in seconds since 1970. */
export function inSeconds(seconds: number): number {
  return Math.floor(Date.now() / 1000) + seconds;
}
