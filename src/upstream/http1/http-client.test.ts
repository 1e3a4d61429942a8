import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import { createSystemClock, createVirtualClock } from '../../core/clock.ts';
import type { Clock, WireRead } from '../../protocol/ports.ts';
import { createHttpClient, type HttpClient } from './http-client.ts';
import type { HttpExchange, HttpFailure } from './http-exchange.ts';
import type { HttpRequest } from './request-bytes.ts';
import type { ResponseHead } from './response-head.ts';

const GET: HttpRequest = { method: 'GET', path: '/', headers: {}, firstByteMs: 5000, idleMs: 5000 };
const OK_2 = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

interface Outcome {
  readonly head: ResponseHead | undefined;
  readonly payload: Buffer;
  readonly failure: HttpFailure | undefined;
  readonly reads: number;
}

interface Sent {
  readonly exchange: HttpExchange;
  readonly outcome: Promise<Outcome>;
  payloadLength(): number;
}

/** Sends a request and collects what comes back; `onRead` looks on. */
function send(client: HttpClient, request: HttpRequest, onRead?: (read: WireRead) => void): Sent {
  const parts: Buffer[] = [];
  let head: ResponseHead | undefined;
  let reads = 0;
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  const end = (failure?: HttpFailure) =>
    resolve({ head, payload: Buffer.concat(parts), failure, reads });
  const exchange = client.request(request, {
    onHead(given) {
      head = given;
    },
    onRead(read) {
      reads += 1;
      for (let span = 0; span < read.spanCount; span += 1) {
        const part = read.buffer.subarray(read.spans[2 * span], read.spans[2 * span + 1]);
        parts.push(Buffer.from(part));
      }
      onRead?.(read);
    },
    onEnd: () => end(),
    onError: (failure) => end(failure),
  });
  return {
    exchange,
    outcome: promise,
    payloadLength: () => parts.reduce((sum, part) => sum + part.length, 0),
  };
}

/** A TCP server whose every connection is given to `serve` with its number, from 1. */
async function listen(
  t: TestContext,
  serve: (socket: Socket, connection: number) => void,
): Promise<URL> {
  let connections = 0;
  const sockets = new Set<Socket>();
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    connections += 1;
    sockets.add(socket.setNoDelay(true));
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    serve(socket, connections);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
}

function clientFor(t: TestContext, origin: URL, clock: Clock = createSystemClock()): HttpClient {
  const client = createHttpClient({ origin, clock, connectMs: 2000 });
  t.after(() => client.close());
  return client;
}

/** Answers every request head on the socket with `wire`, then does `after`. */
function answer(socket: Socket, wire: string | Buffer, after?: () => void): void {
  socket.on('data', (bytes) => {
    if (!bytes.includes('\r\n\r\n')) return;
    socket.write(wire);
    after?.();
  });
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

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

  describe('ends of connections', () => {
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
  });

  it('reaches a server of one address family by a name that has two', async (t) => {
    const origin = await listen(t, (socket) => answer(socket, OK_2));
    const client = clientFor(t, new URL(`http://localhost:${origin.port}`));
    assert.equal((await send(client, GET).outcome).payload.toString(), 'ok');
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

  describe('time-outs, on a virtual clock', () => {
    it('to the first byte, counted from when the request is out', async (t) => {
      const clock = createVirtualClock();
      let asked = false;
      const origin = await listen(t, (socket) => {
        socket.on('data', () => {
          asked = true;
        });
      });
      const { outcome } = send(clientFor(t, origin, clock), { ...GET, firstByteMs: 300 });
      await until(() => asked);
      clock.advance(299);
      clock.advance(11);
      const { failure } = await outcome;
      assert.equal(failure?.kind, 'first_byte_timeout');
      assert.match(failure?.message ?? '', /300 ms/);
      assert.equal(clock.pending, 0);
    });

    it('between bytes, and each byte starts the time anew', async (t) => {
      const clock = createVirtualClock();
      const sockets: Socket[] = [];
      const origin = await listen(t, (socket) => {
        sockets.push(socket);
        answer(socket, 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx');
      });
      const request = { ...GET, firstByteMs: 10_000, idleMs: 100 };
      const { outcome, payloadLength } = send(clientFor(t, origin, clock), request);
      for (let length = 1; length <= 4; length += 1) {
        await until(() => payloadLength() === length);
        clock.advance(90);
        sockets[0]?.write('x');
      }
      await until(() => payloadLength() === 5);
      clock.advance(120);
      assert.equal((await outcome).failure?.kind, 'idle_timeout');
    });

    it('stop while reading is paused and start anew when it goes on', async (t) => {
      const clock = createVirtualClock();
      const sockets: Socket[] = [];
      const origin = await listen(t, (socket) => {
        sockets.push(socket);
        answer(socket, 'HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nx');
      });
      const sent = send(clientFor(t, origin, clock), { ...GET, idleMs: 100 });
      await until(() => sent.payloadLength() === 1);
      sent.exchange.pause();
      clock.advance(10_000);
      sent.exchange.resume();
      clock.advance(90);
      sockets[0]?.write('x');
      await until(() => sent.payloadLength() === 2);
      sent.exchange.setIdleMs(50);
      clock.advance(70);
      assert.equal((await sent.outcome).failure?.kind, 'idle_timeout');
    });

    it('close idle connections, sooner where the server announces it', async (t) => {
      const clock = createVirtualClock();
      const announced = 'HTTP/1.1 200 OK\r\nkeep-alive: timeout=3\r\ncontent-length: 2\r\n\r\nok';
      for (const [wire, keptMs] of [
        [OK_2, 4000],
        [announced, 2000],
      ] as const) {
        let connections = 0;
        const origin = await listen(t, (socket) => {
          connections += 1;
          answer(socket, wire);
        });
        const client = clientFor(t, origin, clock);
        await send(client, GET).outcome;
        clock.advance(keptMs - 10);
        await send(client, GET).outcome;
        assert.equal(connections, 1);
        clock.advance(keptMs + 10);
        await send(client, GET).outcome;
        assert.equal(connections, 2);
        clock.advance(60_000);
        await until(() => client.connections.open === 0);
      }
    });
  });

  it('pause stops the reading: what is sent meanwhile stays with the sender', async (t) => {
    const total = 40_000_000;
    let server: Socket | undefined;
    const origin = await listen(t, (socket) => {
      server = socket;
      answer(socket, `HTTP/1.1 200 OK\r\ncontent-length: ${total}\r\n\r\n`, () => {
        socket.write(Buffer.alloc(total, 'x'));
      });
    });
    let reads = 0;
    const sent: Sent = send(clientFor(t, origin), GET, () => {
      reads += 1;
      if (reads === 3) sent.exchange.pause();
    });
    await until(() => reads === 3);
    for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(reads, 3);
    assert.ok((server?.writableLength ?? 0) > 0);
    sent.exchange.resume();
    const { payload, failure } = await sent.outcome;
    assert.equal(failure, undefined);
    assert.equal(payload.length, total);
  });

  it('is byte-equal at the other end for random splits, stalls and pauses', async (t) => {
    let script: readonly { readonly piece: Buffer; readonly turns: number }[] = [];
    let closing = false;
    const origin = await listen(t, (socket) => {
      socket.on('data', async () => {
        const closes = closing;
        for (const { piece, turns } of script) {
          socket.write(piece);
          for (let i = 0; i < turns; i += 1) await new Promise((resolve) => setImmediate(resolve));
        }
        if (closes) socket.end();
      });
    });
    const client = clientFor(t, origin);
    const body = fc.array(fc.uint8Array({ minLength: 1, maxLength: 2000 }), { maxLength: 30 });
    const cuts = fc.array(fc.record({ at: fc.nat(), turns: fc.nat({ max: 3 }) }), {
      maxLength: 30,
    });
    const framing = fc.constantFrom('chunked' as const, 'length' as const, 'close' as const);
    await fc.assert(
      fc.asyncProperty(body, framing, cuts, fc.nat(10), async (parts, form, places, pauseAt) => {
        const payload = Buffer.concat(parts);
        const wire = framed(parts, form);
        const sorted = places
          .map(({ at, turns }) => ({ at: at % wire.length, turns }))
          .sort((a, b) => a.at - b.at);
        script = [{ at: 0, turns: 1 }, ...sorted].map(({ at, turns }, i) => ({
          piece: wire.subarray(at, sorted[i]?.at),
          turns,
        }));
        closing = form === 'close';
        let reads = 0;
        const sent: Sent = send(client, GET, () => {
          reads += 1;
          if (reads !== pauseAt) return;
          sent.exchange.pause();
          setImmediate(() => sent.exchange.resume());
        });
        const { payload: received, failure } = await sent.outcome;
        assert.equal(failure, undefined);
        assert.ok(received.equals(payload));
      }),
      { numRuns: 150, seed: 20_260_101 },
    );
  });
});

function framed(parts: readonly Uint8Array[], form: 'chunked' | 'length' | 'close'): Buffer {
  const payload = Buffer.concat(parts);
  if (form === 'close') return Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\n\r\n'), payload]);
  if (form === 'length') {
    const head = `HTTP/1.1 200 OK\r\ncontent-length: ${payload.length}\r\n\r\n`;
    return Buffer.concat([Buffer.from(head), payload]);
  }
  const chunks = parts.map((part) =>
    Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n')]),
  );
  const head = Buffer.from('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n');
  return Buffer.concat([head, ...chunks, Buffer.from('0\r\n\r\n')]);
}
