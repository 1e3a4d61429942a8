import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { describe, it } from 'node:test';
import {
  answer,
  clientFor,
  GET,
  listen,
  OK_2,
  type Sent,
  send,
  until,
} from './http-client-fixture.ts';
import type { HttpRequest } from './request-bytes.ts';

describe('HTTP client: ends of connections', () => {
  it('takes the end for the end of a close-delimited body', async (t) => {
    const wire = 'HTTP/1.1 200 OK\r\n\r\nall of it';
    const origin = await listen(t, (socket) => answer(socket, wire, () => socket.end()));
    const { payload, failure } = await send(clientFor(t, origin), GET).outcome;
    assert.equal(failure, undefined);
    assert.equal(payload.toString(), 'all of it');
  });

  it('takes an early answer from a server that ends its half before the request is in', async (t) => {
    const origin = await listen(t, (socket) => {
      socket.pause();
      socket.write('HTTP/1.1 200 OK\r\n\r\nearly', () => socket.end());
    });
    const client = clientFor(t, origin);
    const body = Buffer.alloc(30_000_000);
    const { payload, failure } = await send(client, { ...GET, method: 'POST', body }).outcome;
    assert.equal(failure, undefined);
    assert.equal(payload.toString(), 'early');
    await until(() => client.connections.open === 0);
  });

  it('drops an idle connection whose server ends its half', async (t) => {
    const origin = await listen(t, (socket) => answer(socket, OK_2, () => socket.end()));
    const client = clientFor(t, origin);
    for (let i = 0; i < 2; i += 1) {
      assert.equal((await send(client, GET).outcome).payload.toString(), 'ok');
      await until(() => client.connections.open === 0);
    }
  });

  it('does not reuse a connection whose request was not wholly sent', async (t) => {
    let connections = 0;
    const origin = await listen(t, (socket, connection) => {
      connections += 1;
      if (connection === 1) {
        socket.write('HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n');
        socket.pause();
      } else {
        answer(socket, OK_2);
      }
    });
    const client = clientFor(t, origin);
    const large: HttpRequest = { ...GET, method: 'POST', body: Buffer.alloc(30_000_000) };
    assert.equal((await send(client, large).outcome).head?.status, 413);
    assert.equal(client.connections.idle, 0);
    await send(client, GET).outcome;
    assert.equal(connections, 2);
  });

  for (const how of ['end', 'reset'] as const) {
    it(`reports a body that is cut by ${how}`, async (t) => {
      const wire = 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf';
      const origin = await listen(t, (socket) =>
        answer(socket, wire, () => {
          if (how === 'end') socket.end();
          else setImmediate(() => setImmediate(() => socket.resetAndDestroy()));
        }),
      );
      const { failure } = await send(clientFor(t, origin), GET).outcome;
      assert.equal(failure?.kind, 'truncated');
    });
  }

  it('reports what is not HTTP as such', async (t) => {
    const origin = await listen(t, (socket) => answer(socket, 'SSH-2.0-x\r\n'));
    const { failure } = await send(clientFor(t, origin), GET).outcome;
    assert.equal(failure?.kind, 'protocol');
    assert.match(failure?.message ?? '', /status line/);
  });

  it('reports a refused connection as unreachable, with the address', async (t) => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, 'close');
    const client = clientFor(t, new URL(`http://localhost:${port}`));
    const { failure } = await send(client, GET).outcome;
    assert.equal(failure?.kind, 'unreachable');
    assert.match(failure?.message ?? '', /ECONNREFUSED 127\.0\.0\.1/);
  });

  it('tells every exchange when the client is closed', async (t) => {
    const origin = await listen(t, () => {});
    const client = clientFor(t, origin);
    const sent = [send(client, GET), send(client, GET)];
    client.close();
    for (const { outcome } of sent) assert.equal((await outcome).failure?.kind, 'closed');
    assert.throws(() => send(client, GET), /closed/);
    await until(() => client.connections.open === 0);
  });

  it('abort closes the socket, before and within the response, and nothing more is told', async (t) => {
    for (const within of [false, true]) {
      const { promise: gone, resolve } = Promise.withResolvers<void>();
      let asked = false;
      const origin = await listen(t, (socket) => {
        socket.on('close', resolve).once('data', () => {
          asked = true;
        });
        socket.on('end', () => socket.end()).resume();
        if (within) answer(socket, 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx');
      });
      const client = clientFor(t, origin);
      let told = false;
      const sent: Sent = send(client, GET, () => {
        assert.equal(told, false);
        told = true;
        sent.exchange.abort();
        sent.exchange.abort();
      });
      if (!within) {
        await until(() => asked);
        sent.exchange.abort();
      }
      await gone;
      await until(() => client.connections.open === 0);
      let ended = false;
      void sent.outcome.then(() => {
        ended = true;
      });
      await new Promise((resolve) => setImmediate(resolve));
      assert.equal(ended, false);
    }
  });
});
