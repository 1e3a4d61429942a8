import assert from 'node:assert/strict';
import { once } from 'node:events';
import { get } from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import { createSystemClock } from '../../core/clock.ts';
import { createHttpClient } from '../../upstream/http1/http-client.ts';
import { createStreamRelay } from './stream-relay.ts';

const GET = { method: 'GET', path: '/', headers: {}, firstByteMs: 5000, idleMs: 5000 } as const;

async function listen(t: TestContext, serve: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.setNoDelay(true));
    socket.on('error', () => {});
    serve(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** What an ordinary HTTP client, Node's own with its own parser, reads from the port. */
function read(port: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const request = get({ port, host: '127.0.0.1', agent: false }, async (response) => {
      const parts: Buffer[] = [];
      for await (const part of response) parts.push(part as Buffer);
      resolve(Buffer.concat(parts));
    });
    request.on('error', reject);
  });
}

interface Step {
  readonly piece: Buffer;
  readonly turns: number;
}

/** The wire bytes in pieces of any size, each followed by some turns of the event loop. */
function steps(
  wire: Buffer,
  cuts: readonly { readonly at: number; readonly turns: number }[],
): Step[] {
  const places = cuts
    .map(({ at, turns }) => ({ at: at % wire.length, turns }))
    .sort((a, b) => a.at - b.at);
  return [{ at: 0, turns: 1 }, ...places].map(({ at, turns }, i) => ({
    piece: wire.subarray(at, places[i]?.at),
    turns,
  }));
}

const content = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom('\n\ndata: [DONE]\n\n', '"finish_reason":"stop"', '服务器繁忙', '0\r\n\r\n'),
);
const event = fc.oneof(
  content.map(
    (text) => `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: text } }] })}\n\n`,
  ),
  fc.constant(': keep-alive\n\n'),
);
const END = 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n';

describe('client and relay over real sockets', () => {
  it('give a caller the payload byte for byte, whatever the splits, stalls and pauses', async (t) => {
    let script: readonly Step[] = [];
    const upstreamPort = await listen(t, (socket) => {
      socket.on('data', async () => {
        for (const { piece, turns } of script) {
          socket.write(piece);
          for (let i = 0; i < turns; i += 1) await new Promise((resolve) => setImmediate(resolve));
        }
      });
    });
    const origin = new URL(`http://127.0.0.1:${upstreamPort}`);
    const client = createHttpClient({ origin, clock: createSystemClock(), connectMs: 2000 });
    t.after(() => client.close());
    let pauseAt = 0;
    const gatewayPort = await listen(t, (socket) => {
      socket.once('data', () => {
        const relay = createStreamRelay({ closingComment: () => undefined });
        let reads = 0;
        const exchange = client.request(GET, {
          onHead: () => socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'),
          onRead(wireRead) {
            const bytes = relay.push(wireRead);
            if (bytes !== undefined) socket.write(bytes);
            reads += 1;
            if (reads !== pauseAt) return;
            exchange.pause();
            setImmediate(() => exchange.resume());
          },
          onEnd() {
            const { bytes, complete } = relay.finish();
            if (bytes !== undefined) socket.write(bytes);
            if (complete) socket.end('0\r\n\r\n');
            else socket.destroy();
          },
          onError: () => socket.destroy(),
        });
      });
    });
    const cuts = fc.array(fc.record({ at: fc.nat(), turns: fc.nat({ max: 3 }) }), {
      maxLength: 30,
    });
    const sizes = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 10 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(event, { maxLength: 40 }),
        sizes,
        cuts,
        fc.nat(8),
        async (events, chunkSizes, places, pause) => {
          const payload = Buffer.from(events.join('') + END);
          script = steps(chunked(payload, chunkSizes), places);
          pauseAt = pause;
          const received = await read(gatewayPort);
          assert.equal(received.toString(), payload.toString());
        },
      ),
      { numRuns: 80, seed: 20_260_102 },
    );
  });
});

/** A chunked response whose chunks have the given sizes in turn, so that they cut events anywhere. */
function chunked(payload: Buffer, sizes: readonly number[]): Buffer {
  const parts: Buffer[] = [Buffer.from('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n')];
  for (let at = 0, i = 0; at < payload.length; i += 1) {
    const part = payload.subarray(at, at + (sizes[i % sizes.length] ?? 1));
    parts.push(Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n'));
    at += part.length;
  }
  return Buffer.concat([...parts, Buffer.from('0\r\n\r\n')]);
}
