import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { jwtVerifier } from '../src/index.ts';
import type { Issuer } from './support/issuer.ts';
import { inSeconds, startIssuer } from './support/issuer.ts';

const audience = 'https://api.example.com/mcp';
let issuer: Issuer;
beforeAll(async () => {
  issuer = await startIssuer();
});
afterAll(() => issuer[Symbol.asyncDispose]());

const good = () => ({ iss: issuer.url, aud: audience, sub: 'ada', exp: inSeconds(60), scope: 'read write' });
const verifier = (options = {}) => jwtVerifier({ issuer: issuer.url, audience, jwks: issuer.jwks, ...options });

describe('jwtVerifier', () => {
  it('gives the subject, the scopes, the expiry and all claims of a good token', async () => {
    const claims = { ...good(), tenant: 7 };
    expect(await verifier()(await issuer.sign(claims))).toEqual({
      principal: 'ada',
      scopes: ['read', 'write'],
      expiresAt: new Date(claims.exp * 1000 + 5000),
      claims,
    });
  });

  it.each([
    ['a text in scp', { scope: undefined, scp: 'a b' }, ['a', 'b']],
    ['a list in scp', { scope: undefined, scp: ['a', 'b'] }, ['a', 'b']],
    ['nothing', { scope: undefined }, []],
    ['an empty scope', { scope: '' }, []],
    ['numbers', { scope: undefined, scp: [1, 2] }, []],
  ])('reads scopes from %s', async (_, claims, scopes) => {
    expect((await verifier()(await issuer.sign({ ...good(), ...claims })))?.scopes).toEqual(scopes);
  });

  it.each([
    ['another audience', () => issuer.sign({ ...good(), aud: 'https://other.example.com/mcp' })],
    ['no audience', () => issuer.sign({ ...good(), aud: undefined })],
    ['another issuer', () => issuer.sign({ ...good(), iss: 'https://evil.example.com' })],
    ['no issuer', () => issuer.sign({ ...good(), iss: undefined })],
    ['an expiry that is over', () => issuer.sign({ ...good(), exp: inSeconds(-6) })],
    ['no expiry', () => issuer.sign({ ...good(), exp: undefined })],
    ['a time before which it is not good', () => issuer.sign({ ...good(), nbf: inSeconds(60) })],
    ['no subject', () => issuer.sign({ ...good(), sub: undefined })],
    ['an empty subject', () => issuer.sign({ ...good(), sub: '' })],
    ['a signature with a key that the issuer does not publish', () => issuer.sign(good(), { isForged: true })],
    ['alg none', async () => issuer.unsigned(good())],
    ['a shared key', () => issuer.sign(good(), { sharedKey: new TextEncoder().encode('the public key, which everybody knows') })],
    ['changed claims', async () => (await issuer.sign(good())).replace(/\.[^.]+\./, `.${btoa('{"sub":"root"}').replaceAll('=', '')}.`)],
    ['the form of no JWT', async () => 'abc'],
  ])('refuses a token with %s', async (_, make) => {
    expect(await verifier()(await make())).toBeUndefined();
  });

  it('takes one of several audiences and issuers, and a token that expired within the tolerance', async () => {
    const several = verifier({ audience: ['x', audience], issuer: ['https://y.example.com', issuer.url] });
    expect((await several(await issuer.sign({ ...good(), exp: inSeconds(-2) })))?.principal).toBe('ada');
    expect(await verifier({ clockToleranceMs: 0 })(await issuer.sign({ ...good(), exp: inSeconds(-2) }))).toBeUndefined();
  });

  it('refuses an algorithm that it was not given', async () => {
    expect(await verifier({ algorithms: ['RS256'] })(await issuer.sign(good()))).toBeUndefined();
  });

  it('fetches the keys once for many tokens', async () => {
    const verify = verifier();
    const before = issuer.fetches;
    for (let times = 0; times < 5; times += 1) await verify(await issuer.sign(good()));
    expect(issuer.fetches).toBe(before + 1);
  });

  it('takes keys that are given to it', async () => {
    const jwks = (await (await fetch(issuer.jwks)).json()) as { keys: object[] };
    expect((await verifier({ jwks })(await issuer.sign(good())))?.principal).toBe('ada');
  });

  it('says that the keys cannot be read, which is no mistake of the token', async () => {
    const server = createServer((_, response) => response.writeHead(500).end()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const token = await issuer.sign(good());
    await expect(verifier({ jwks: `http://127.0.0.1:${port}/` })(token)).rejects.toMatchObject({ status: 503 });
    server.close();
    await expect(verifier({ jwks: `http://127.0.0.1:${port}/` })(token)).rejects.toMatchObject({ status: 503 });
  });

  it.each([
    [{ audience: undefined }, 'jwtVerifier.audience: say which `aud` tokens must have'],
    [{ audience: [] }, 'jwtVerifier.audience: say which'],
    [{ audience: '' }, 'jwtVerifier.audience: say which'],
    [{ issuer: undefined }, 'jwtVerifier.issuer: say which `iss`'],
    [{ algorithms: ['HS256'] }, 'jwtVerifier.algorithms: must be some of RS256'],
    [{ algorithms: ['none'] }, 'jwtVerifier.algorithms: must be'],
    [{ algorithms: [] }, 'jwtVerifier.algorithms: must be'],
    [{ jwks: 'http://login.example.com/jwks.json' }, 'jwtVerifier.jwks: must be the https URL'],
    [{ jwks: undefined }, 'jwtVerifier.jwks: must be'],
    [{ clockToleranceMs: 3_600_000 }, 'jwtVerifier.clockToleranceMs: 3600000 must be an integer from 0 to 60000'],
  ])('refuses %j', (options, message) => {
    expect(() => verifier(options)).toThrow(message);
    expect(() => verifier(options)).toThrow(TypeError);
  });
});
