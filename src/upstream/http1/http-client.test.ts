import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { answer, clientFor, GET, listen, OK_2, send, until } from './http-client-fixture.ts';
import type { HttpRequest } from './request-bytes.ts';

describe('HTTP client', () => {
  it('sends one well-formed request with its body and asks for identity', async (t) => {
    let seen = '';
    const origin = await listen(t, (socket) => {
      socket.on('data', (bytes) => {
        seen += bytes.toString();
        if (seen.endsWith('{"a":1}')) socket.write(OK_2);
      });
    });
    const body = Buffer.from('{"a":1}');
    const headers = { 'content-type': 'application/json', authorization: 'Bearer k' };
    const request: HttpRequest = { ...GET, method: 'POST', path: '/v1/x?y=z', headers, body };
    const { head, payload } = await send(clientFor(t, origin), request).outcome;
    assert.equal(head?.status, 200);
    assert.equal(payload.toString(), 'ok');
    assert.equal(
      seen,
      `POST /v1/x?y=z HTTP/1.1\r\nhost: ${origin.host}\r\nuser-agent: unbusy\r\n` +
        'accept-encoding: identity\r\ncontent-type: application/json\r\n' +
        'authorization: Bearer k\r\ncontent-length: 7\r\n\r\n{"a":1}',
    );
  });

  it('refuses what would add a header or a request, and never shows the value', async (t) => {
    const client = clientFor(t, await listen(t, () => {}));
    const cases: readonly [Partial<HttpRequest>, RegExp][] = [
      [{ path: '/a b' }, /request path/],
      [{ path: 'a' }, /request path/],
      [{ path: '/\r\nx: y' }, /request path/],
      [{ headers: { 'x\r\ny': 'z' } }, /not a header name/],
      [{ headers: { authorization: 'Bearer secret\r\nx: y' } }, /header authorization holds/],
      [{ headers: { 'x-a': '\0' } }, /header x-a holds/],
      [{ headers: { 'Content-Length': '5' } }, /cannot be given/],
      [{ headers: { 'transfer-encoding': 'chunked' } }, /cannot be given/],
    ];
    for (const [change, message] of cases) {
      assert.throws(
        () => send(client, { ...GET, ...change }),
        (error) =>
          error instanceof TypeError &&
          message.test(error.message) &&
          !/secret/.test(error.message),
      );
    }
  });

  it('uses a connection again, the one used last first', async (t) => {
    let connections = 0;
    const origin = await listen(t, (socket) => {
      connections += 1;
      answer(socket, OK_2);
    });
    const client = clientFor(t, origin);
    for (let i = 0; i < 5; i += 1) await send(client, GET).outcome;
    assert.equal(connections, 1);
    await Promise.all([send(client, GET).outcome, send(client, GET).outcome]);
    assert.equal(connections, 2);
    assert.deepEqual(client.connections, { open: 2, idle: 2 });
  });

  const NOT_REUSED = [
    ['connection: close', 'HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok'],
    ['bytes after the body', `${OK_2}HTTP/1.1 200 OK\r\n`],
    ['HTTP/1.0', 'HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok'],
  ] as const;
  for (const [name, wire] of NOT_REUSED) {
    it(`completes the response but opens a new connection after it: ${name}`, async (t) => {
      let connections = 0;
      const origin = await listen(t, (socket) => {
        connections += 1;
        answer(socket, wire);
      });
      const client = clientFor(t, origin);
      for (let i = 0; i < 2; i += 1) {
        const { payload, failure } = await send(client, GET).outcome;
        assert.equal(failure, undefined);
        assert.equal(payload.toString(), 'ok');
      }
      assert.equal(connections, 2);
    });
  }

  it('drops an idle connection on which bytes arrive unasked', async (t) => {
    const sockets: Socket[] = [];
    const origin = await listen(t, (socket) => {
      sockets.push(socket);
      answer(socket, OK_2);
    });
    const client = clientFor(t, origin);
    await send(client, GET).outcome;
    sockets[0]?.write('HTTP/1.1 408 Request Timeout\r\n\r\n');
    await until(() => client.connections.open === 0);
    assert.equal((await send(client, GET).outcome).payload.toString(), 'ok');
  });

  describe('keep-alive race', () => {
    it('resends once, on a fresh connection, when a reused one dies without a byte', async (t) => {
      const requests: number[] = [];
      const origin = await listen(t, (socket, connection) => {
        let onThis = 0;
        socket.on('data', () => {
          onThis += 1;
          requests.push(connection);
          if (connection === 1 && onThis === 2) socket.resetAndDestroy();
          else socket.write(OK_2);
        });
      });
      const client = clientFor(t, origin);
      await send(client, GET).outcome;
      const { payload, failure } = await send(client, GET).outcome;
      assert.equal(failure, undefined);
      assert.equal(payload.toString(), 'ok');
      assert.deepEqual(requests, [1, 1, 2]);
    });

    it('resends on a fresh connection even where others lie idle', async (t) => {
      const requests: number[] = [];
      let dying = false;
      const origin = await listen(t, (socket, connection) => {
        socket.on('data', () => {
          requests.push(connection);
          if (dying && connection <= 2) socket.end();
          else socket.write(OK_2);
        });
      });
      const client = clientFor(t, origin);
      await Promise.all([send(client, GET).outcome, send(client, GET).outcome]);
      dying = true;
      assert.equal((await send(client, GET).outcome).payload.toString(), 'ok');
      assert.equal(requests.at(-1), 3);
      assert.equal(requests.length, 4);
    });

    it('does not resend when a fresh connection dies', async (t) => {
      let requests = 0;
      const origin = await listen(t, (socket) => {
        socket.on('data', () => {
          requests += 1;
          socket.resetAndDestroy();
        });
      });
      const { failure } = await send(clientFor(t, origin), GET).outcome;
      assert.equal(failure?.kind, 'reset');
      assert.equal(requests, 1);
    });

    it('does not resend once a byte of the response has come', async (t) => {
      let requests = 0;
      const origin = await listen(t, (socket) => {
        socket.on('data', () => {
          requests += 1;
          if (requests === 1) socket.write(OK_2);
          else socket.write('H', () => socket.end());
        });
      });
      const client = clientFor(t, origin);
      await send(client, GET).outcome;
      assert.equal((await send(client, GET).outcome).failure?.kind, 'truncated');
      assert.equal(requests, 2);
    });
  });

  it('reaches a server of one address family by a name that has two', async (t) => {
    const origin = await listen(t, (socket) => answer(socket, OK_2));
    const client = clientFor(t, new URL(`http://localhost:${origin.port}`));
    assert.equal((await send(client, GET).outcome).payload.toString(), 'ok');
  });
});
