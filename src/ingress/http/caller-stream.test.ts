import assert from 'node:assert/strict';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { createVirtualClock } from '../../core/clock.ts';
import { CallerStream } from './caller-stream.ts';
import { callRaw, type RawCaller } from './raw-caller.ts';

const get = 'GET / HTTP/1.1\r\nhost: x\r\n\r\n';
const eventStream = { 'content-type': 'text/event-stream' };

/** A server that hands its streams to the test, in the order in which requests come. */
async function start(t: TestContext) {
  const clock = createVirtualClock();
  const opened: { stream: CallerStream; response: ServerResponse }[] = [];
  const waiting: (() => void)[] = [];
  const server = createServer((request, response) => {
    request.resume();
    const accept = () => {
      const stream = new CallerStream(response, {
        requestId: 'req_1',
        clock,
        stallMs: 60_000,
        mayKeepAlive: () => true,
      });
      opened.push({ stream, response });
      waiting.shift()?.();
    };
    if (response.socket === null) response.once('socket', accept);
    else accept();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return {
    clock,
    port: (server.address() as AddressInfo).port,
    async next() {
      if (opened.length === 0) await new Promise<void>((resolve) => waiting.push(resolve));
      return opened.shift() ?? assert.fail('no stream');
    },
  };
}

/** Fills the way to a caller that does not read, until bytes are left over here. */
function fill(stream: CallerStream): void {
  const batch = `data: ${'x'.repeat(64 * 1024)}\n\n`;
  for (let i = 0; i < 1000 && stream.unsentBytes < 256 * 1024; i += 1) stream.writePayload(batch);
  assert.ok(stream.unsentBytes > 0, 'the caller’s buffers never filled');
}

async function readSlowly(caller: RawCaller): Promise<void> {
  caller.socket.resume();
  await new Promise((resolve) => caller.socket.once('data', resolve));
}

test('framed bytes pass untouched, text is framed, and the connection is used again', async (t) => {
  const { port, next } = await start(t);
  const caller = callRaw(port);
  caller.send(get);
  const { stream } = await next();
  stream.begin(200, eventStream);
  stream.writeFramed(Buffer.from('3;x=1\r\nabc\r\n1\r\nd\r\n'));
  stream.writePayload('héllo');
  stream.writePayload('plain');
  stream.end('last');
  const first = await caller.until(/0\r\n\r\n$/);
  const [head, body] = first
    .split('\r\n\r\n', 1)
    .concat(first.slice(first.indexOf('\r\n\r\n') + 4));
  assert.match(head ?? '', /^HTTP\/1.1 200 OK\r\ncontent-type: text\/event-stream\r\n/);
  assert.match(head ?? '', /x-request-id: req_1\r\n.*transfer-encoding: chunked/is);
  assert.equal(
    body,
    '3;x=1\r\nabc\r\n1\r\nd\r\n6\r\nhéllo\r\n5\r\nplain\r\n4\r\nlast\r\n0\r\n\r\n',
  );
  caller.send(get);
  (await next()).stream.send(200, {}, 'again');
  await caller.until(/content-length: 5\r\n.*again$/s);
  caller.socket.destroy();
});

test('a pipelined request is answered after a framed stream, in order', async (t) => {
  const { port, next } = await start(t);
  const caller = callRaw(port);
  caller.send(get + get + get);
  const first = await next();
  first.stream.begin(200, eventStream);
  first.stream.writePayload('one');
  first.stream.end();
  const second = await next();
  second.stream.send(200, {}, 'two');
  const third = await next();
  third.stream.begin(200, eventStream);
  third.stream.end('three');
  await caller.until(/3\r\none\r\n0\r\n\r\nHTTP.*two.*HTTP.*5\r\nthree\r\n0\r\n\r\n$/s);
  caller.socket.destroy();
});

test('a batch is one write, and the head travels with the first', async (t) => {
  const { port, next } = await start(t);
  const caller = callRaw(port);
  caller.send(get);
  const { stream, response } = await next();
  const { socket } = response;
  assert.ok(socket);
  // _write and _writev are what reaches the kernel.
  const writes = [t.mock.method(socket, '_write'), t.mock.method(socket, '_writev' as '_write')];
  const count = () => writes.reduce((sum, { mock }) => sum + mock.callCount(), 0);
  stream.begin(200, eventStream);
  stream.writePayload('data: 1\n\n');
  assert.equal(count(), 1);
  stream.writePayload('data: 2\n\ndata: 3\n\n');
  assert.equal(count(), 2);
  stream.writeFramed(Buffer.from('1\r\nx\r\n'));
  assert.equal(count(), 3);
  stream.end('data: [DONE]\n\n');
  assert.equal(count(), 4);
  await caller.until(/\[DONE\]\n\n\r\n0\r\n\r\n$/);
  caller.socket.destroy();
});

test('a head with nothing to follow leaves by itself', async (t) => {
  const { port, next } = await start(t);
  const caller = callRaw(port);
  caller.send(get);
  const { stream } = await next();
  stream.begin(200, eventStream);
  await caller.until(/\r\n\r\n$/);
  stream.end();
  await caller.until(/\r\n\r\n0\r\n\r\n$/);
  caller.socket.destroy();
});

test('an HTTP/1.0 caller gets the payload without chunks, ended by the connection', async (t) => {
  const { port, next } = await start(t);
  const caller = callRaw(port);
  caller.send('GET / HTTP/1.0\r\n\r\n');
  const { stream } = await next();
  stream.begin(200, eventStream);
  stream.writeFramed(Buffer.from('3\r\nabc\r\n2\r\nde\r\n'));
  stream.writePayload('f');
  stream.end('g');
  const answer = await caller.closed();
  assert.doesNotMatch(answer, /transfer-encoding/i);
  assert.match(answer, /\r\n\r\nabcdefg$/);
});

test('B4: a caller who leaves is noticed, before the head, in a stream, and not after the end', async (t) => {
  const { port, next } = await start(t);
  const left: string[] = [];
  for (const stage of ['waiting', 'streaming', 'ended']) {
    const caller = callRaw(port);
    caller.send(get);
    const { stream, response } = await next();
    stream.onGone(() => left.push(stage));
    if (stage !== 'waiting') stream.begin(200, eventStream);
    if (stage === 'streaming') stream.writePayload('x');
    if (stage === 'ended') stream.end();
    const closed = new Promise((resolve) => response.once('close', resolve));
    caller.socket.destroy();
    await closed;
    assert.equal(stream.over, true);
    assert.equal(stream.unsentBytes, 0);
    stream.writePayload('nobody reads this');
    stream.end();
  }
  assert.deepEqual(left, ['waiting', 'streaming']);
});

test('who asks too late whether the caller has left is told at once', async (t) => {
  const { port, next } = await start(t);
  const caller = callRaw(port);
  caller.send(get);
  const { stream, response } = await next();
  caller.socket.destroy();
  await new Promise((resolve) => response.once('close', resolve));
  let told = false;
  stream.onGone(() => {
    told = true;
  });
  assert.equal(told, true);
});

test('what a slow caller has not taken is counted, and its going out is told', async (t) => {
  const { port, next } = await start(t);
  const caller = callRaw(port, { paused: true });
  caller.send(get);
  const { stream } = await next();
  stream.begin(200, eventStream);
  fill(stream);
  const drained = new Promise<void>((resolve) => stream.onDrain(resolve));
  caller.socket.resume();
  await drained;
  assert.equal(stream.unsentBytes, 0);
  caller.socket.destroy();
});

test('a caller who takes nothing for the stall time is dropped', async (t) => {
  const { port, clock, next } = await start(t);
  const caller = callRaw(port, { paused: true });
  caller.send(get);
  const { stream } = await next();
  const gone = new Promise<void>((resolve) => stream.onGone(resolve));
  stream.begin(200, eventStream);
  assert.equal(clock.pending, 0, 'a caller who keeps up costs no timer');
  fill(stream);
  clock.advance(59_000);
  assert.equal(stream.over, false);
  clock.advance(2_000);
  await gone;
  caller.socket.destroy();
});

test('a caller who takes a little is kept', async (t) => {
  const { port, clock, next } = await start(t);
  const caller = callRaw(port, { paused: true });
  caller.send(get);
  const { stream, response } = await next();
  stream.begin(200, eventStream);
  fill(stream);
  clock.advance(50_000);
  const before = stream.unsentBytes;
  const drained = new Promise<void>((resolve) => stream.onDrain(resolve));
  await readSlowly(caller);
  await drained;
  assert.ok(stream.unsentBytes < before);
  caller.socket.pause();
  fill(stream);
  clock.advance(20_000);
  assert.equal(response.destroyed, false);
  caller.socket.destroy();
});

test('an answer that was ended but is not taken is dropped too', async (t) => {
  const { port, clock, next } = await start(t);
  const caller = callRaw(port, { paused: true });
  caller.send(get);
  const { stream, response } = await next();
  stream.send(200, {}, Buffer.alloc(32 * 1024 * 1024));
  assert.ok(stream.unsentBytes > 0);
  const closed = new Promise((resolve) => response.once('close', resolve));
  clock.advance(61_000);
  await closed;
  caller.socket.destroy();
});

test('a broken answer cannot be taken for a whole one', async (t) => {
  const { port, next } = await start(t);
  const caller = callRaw(port);
  caller.send(get);
  const { stream } = await next();
  let gone = false;
  stream.onGone(() => {
    gone = true;
  });
  stream.begin(200, eventStream);
  stream.writePayload('half');
  await caller.until(/half/);
  stream.destroy();
  assert.doesNotMatch(await caller.closed(), /\r\n0\r\n/);
  assert.equal(gone, false, 'who broke it needs no telling');
});
