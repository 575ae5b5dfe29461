import type { JSONWebKeySet, JWTPayload, JWTVerifyGetKey } from 'jose';
import type { VerifiedToken } from './options.ts';

/** What a JWT must be so that it lets its bearer in. */
export interface JwtVerifierOptions {
  /** `iss`: the authorization server, or several. */
  readonly issuer: string | readonly string[];
  /** `aud`: the URL of the endpoint, as its clients know it, or whatever else the issuer calls this server. */
  readonly audience: string | readonly string[];
  /** The issuer's public keys: the URL of its JWKS, or the JWKS itself. */
  readonly jwks: string | JSONWebKeySet;
  /** Algorithms of signatures; never `none` or one with a shared key. @default RS256 to RS512, PS256 to PS512, ES256 to ES512, EdDSA */
  readonly algorithms?: readonly string[];
  /** Milliseconds that the clocks of issuer and app may differ. @default 5000 */
  readonly clockToleranceMs?: number;
}

/** A verified JWT: `principal` is its `sub`. */
export interface VerifiedJwt extends VerifiedToken {
  readonly scopes: readonly string[];
  readonly expiresAt: Date;
  /** All claims. */
  readonly claims: Readonly<Record<string, unknown>>;
}

/** Checks a JWT. `undefined` for one that is malformed, expired, not signed by the issuer, or for somebody else. */
export type JwtVerifier = (token: string) => Promise<VerifiedJwt | undefined>;

/** Asymmetric algorithms: the issuer signs with a key that this server does not have. */
const asymmetric = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'];

/**
 * Makes an `auth.verify` for access tokens that are JWTs. Signature, algorithm, issuer, audience and expiry are always checked, and `sub` is
 * required. The scopes are those of `scope` (a text) or `scp` (a text or a list).
 *
 * `jwtVerifier({ issuer: 'https://login.example.com', audience: 'https://api.example.com/mcp', jwks: 'https://login.example.com/jwks.json' })`
 *
 * @throws {TypeError} An option is missing or invalid. The verifier itself throws an error with `status` 503 if the keys cannot be fetched.
 * @see https://www.rfc-editor.org/rfc/rfc9068 and https://www.rfc-editor.org/rfc/rfc8725
 */
export function jwtVerifier(options: JwtVerifierOptions): JwtVerifier {
  const { issuer, audience, jwks, algorithms = asymmetric, clockToleranceMs = 5000 } = options;
  assertNames('issuer', issuer);
  assertNames('audience', audience);
  assertKeySource(jwks);
  assertAlgorithms(algorithms);
  if (!(Number.isInteger(clockToleranceMs) && clockToleranceMs >= 0 && clockToleranceMs <= maxToleranceMs)) {
    throw new TypeError(`jwtVerifier.clockToleranceMs: ${String(clockToleranceMs)} must be an integer from 0 to ${maxToleranceMs}`);
  }
  let keys: JWTVerifyGetKey | undefined;
  return async token => {
    // An app without JWTs does not load the package.
    const jose = await import('jose');
    keys ??= typeof jwks === 'string' ? jose.createRemoteJWKSet(new URL(jwks)) : jose.createLocalJWKSet(jwks);
    try {
      const { payload } = await jose.jwtVerify(token, keys, {
        issuer: [issuer].flat(),
        audience: [audience].flat(),
        algorithms: [...algorithms],
        clockTolerance: clockToleranceMs / 1000,
        requiredClaims: ['exp', 'sub'],
      });
      return toVerified(payload, clockToleranceMs);
    } catch (error) {
      if (error instanceof jose.errors.JOSEError && badToken.test(error.code)) return undefined;
      throw Object.assign(new Error('The keys of the issuer cannot be read', { cause: error }), { status: 503 });
    }
  };
}

/** A minute. A longer one would let tokens live on. */
const maxToleranceMs = 60_000;

/** Codes of jose's errors that are about the token. The others are about the keys. */
const badToken = /^ERR_(?:JWT_\w+|JWS_\w+|JOSE_ALG_NOT_ALLOWED|JOSE_NOT_SUPPORTED|JWKS_NO_MATCHING_KEY|JWKS_MULTIPLE_MATCHING_KEYS)$/u;

function toVerified(claims: JWTPayload, clockToleranceMs: number): VerifiedJwt | undefined {
  const { sub, exp, scope, scp } = claims;
  if (typeof sub !== 'string' || sub === '' || exp === undefined) return undefined;
  return { principal: sub, scopes: toScopes(scope ?? scp), expiresAt: new Date(exp * 1000 + clockToleranceMs), claims };
}

/** `"a b"` → `['a', 'b']` */
function toScopes(claim: unknown): string[] {
  const texts = [claim].flat().filter(each => typeof each === 'string');
  return texts.flatMap(each => each.split(' ')).filter(each => each !== '');
}

function assertNames(name: 'issuer' | 'audience', value: unknown): void {
  const names = [value].flat();
  if (names.length > 0 && names.every(each => typeof each === 'string' && each !== '')) return;
  const claim = name === 'issuer' ? 'iss' : 'aud';
  throw new TypeError(`jwtVerifier.${name}: say which \`${claim}\` tokens must have, or tokens of others would be accepted`);
}

function assertKeySource(jwks: unknown): void {
  if (typeof jwks === 'object' && jwks !== null && 'keys' in jwks && Array.isArray(jwks.keys)) return;
  const url = typeof jwks === 'string' && URL.canParse(jwks) ? new URL(jwks) : undefined;
  const isLoopback = url !== undefined && /^(?:localhost|127\..*|\[::1\])$/u.test(url.hostname);
  // Over plain HTTP, somebody on the network could put in keys of their own, and then sign any token.
  if (url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback)) return;
  throw new TypeError('jwtVerifier.jwks: must be the https URL of a JWKS, or a JWKS, { keys: [ … ] }');
}

function assertAlgorithms(algorithms: unknown): void {
  const isKnown = (name: unknown) => asymmetric.some(known => known === name);
  if (Array.isArray(algorithms) && algorithms.length > 0 && algorithms.every(isKnown)) return;
  throw new TypeError(
    `jwtVerifier.algorithms: must be some of ${asymmetric.join(', ')}; anybody can sign with a shared key that is public, or none`,
  );
}
