import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createVirtualClock } from '../../core/clock.ts';
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

describe('HTTP client: time and flow', () => {
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
