import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { createSystemClock } from '../../core/clock.ts';
import { createHttpClient, type HttpClient, type HttpClientOptions } from './http-client.ts';
import type { HttpExchange, HttpFailure } from './http-exchange.ts';

/** Self-signed, for localhost and 127.0.0.1, made for this test; it protects nothing. */
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUVLoCDiS/0mHcznk0571SWazbpdowCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMzE3MTMyMFoYDzIxMjYxMDMw
MTcxMzIwWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAROW9yi55G6FhWeldDojqcCv5L2YWc9OXVsszatSQLIt/xbxvQ5bT2r
tk/RT1oV3A4omZnTlLI7N8/LtsqWQMP1o28wbTAdBgNVHQ4EFgQUb/xz7kmEeP4U
xXXbzLVRGkwrw0cwHwYDVR0jBBgwFoAUb/xz7kmEeP4UxXXbzLVRGkwrw0cwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSAAwRQIhANY9tS2aJX9ypCA9uMqaz1FouVrEDldyFJGUEH3OBxNBAiBZ
vb9PH1EZFCNlSYDK29vfovKvtvQFO8bFhdYb4IOk/A==
-----END CERTIFICATE-----`;
const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgPoD5m3u3IzZfA7pn
coDWtANCQCA74YYuwetHadpCq0yhRANCAAROW9yi55G6FhWeldDojqcCv5L2YWc9
OXVsszatSQLIt/xbxvQ5bT2rtk/RT1oV3A4omZnTlLI7N8/LtsqWQMP1
-----END PRIVATE KEY-----`;
const GET = { method: 'GET', path: '/', headers: {}, firstByteMs: 5000, idleMs: 5000 } as const;

async function listen(t: TestContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

interface Result {
  readonly bytes: number;
  readonly failure: HttpFailure | undefined;
}

function send(
  client: HttpClient,
  onRead?: (reads: number, exchange: HttpExchange) => void,
): Promise<Result> {
  const { promise, resolve } = Promise.withResolvers<Result>();
  let bytes = 0;
  let reads = 0;
  const exchange = client.request(GET, {
    onHead() {},
    onRead(read) {
      for (let span = 0; span < read.spanCount; span += 1) {
        bytes += (read.spans[2 * span + 1] ?? 0) - (read.spans[2 * span] ?? 0);
      }
      reads += 1;
      onRead?.(reads, exchange);
    },
    onEnd: () => resolve({ bytes, failure: undefined }),
    onError: (failure) => resolve({ bytes, failure }),
  });
  return promise;
}

describe('HTTP client over TLS', () => {
  function clientFor(t: TestContext, url: string, tls?: HttpClientOptions['tls']): HttpClient {
    const client = createHttpClient({
      origin: new URL(url),
      clock: createSystemClock(),
      connectMs: 2000,
      tls,
    });
    t.after(() => client.close());
    return client;
  }

  it('reads responses, keeps connections, and names the server by name only', async (t) => {
    const names: unknown[] = [];
    let connections = 0;
    const server = createServer({ key: KEY, cert: CERTIFICATE }, (request, response) => {
      names.push((request.socket as unknown as { servername: unknown }).servername);
      response.write('hello ');
      response.end('world');
    });
    server.on('secureConnection', () => {
      connections += 1;
    });
    const port = await listen(t, server);
    for (const host of ['localhost', '127.0.0.1']) {
      const client = clientFor(t, `https://${host}:${port}`, { ca: CERTIFICATE });
      for (let i = 0; i < 2; i += 1)
        assert.deepEqual(await send(client), { bytes: 11, failure: undefined });
    }
    assert.equal(connections, 2);
    assert.deepEqual(names, ['localhost', 'localhost', false, false]);
  });

  it('refuses a certificate that it cannot trust', async (t) => {
    const port = await listen(
      t,
      createServer({ key: KEY, cert: CERTIFICATE }, (_, response) => response.end()),
    );
    const { failure } = await send(clientFor(t, `https://localhost:${port}`));
    assert.equal(failure?.kind, 'unreachable');
    assert.match(failure.message, /self-signed certificate/);
  });

  it('pauses and goes on', async (t) => {
    const total = 20_000_000;
    const server = createServer({ key: KEY, cert: CERTIFICATE }, (_, response) => {
      response.end(Buffer.alloc(total));
    });
    const port = await listen(t, server);
    const client = clientFor(t, `https://localhost:${port}`, { ca: CERTIFICATE });
    let paused: HttpExchange | undefined;
    let seen = 0;
    const result = send(client, (reads, exchange) => {
      seen = reads;
      if (reads !== 2) return;
      exchange.pause();
      paused = exchange;
    });
    while (paused === undefined) await new Promise((resolve) => setImmediate(resolve));
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(seen, 2);
    paused.resume();
    assert.deepEqual(await result, { bytes: total, failure: undefined });
  });

  it('closes the connection on abort', async (t) => {
    const { promise: gone, resolve } = Promise.withResolvers<void>();
    const server = createServer({ key: KEY, cert: CERTIFICATE }, (_, response) => {
      response.on('close', resolve);
      response.write('x');
    });
    const port = await listen(t, server);
    const client = clientFor(t, `https://localhost:${port}`, { ca: CERTIFICATE });
    void send(client, (_, exchange) => exchange.abort());
    await gone;
  });
});
