import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createVirtualClock } from '../../core/clock.ts';
import { UnbusyError } from '../../core/errors.ts';
import type { HttpHandler, HttpRequest } from './http-request.ts';
import { createHttpServer, type HttpLimits } from './http-server.ts';
import { callRaw, rawPost } from './raw-caller.ts';

interface Started {
  readonly port: number;
  readonly url: string;
  readonly server: ReturnType<typeof createHttpServer>;
  readonly faults: UnbusyError[];
}

async function start(
  t: TestContext,
  routes: Record<string, HttpHandler>,
  limits: Partial<HttpLimits> = {},
): Promise<Started> {
  const faults: UnbusyError[] = [];
  let ids = 0;
  const server = createHttpServer({
    routes,
    clock: createVirtualClock(1_700_000_000_000),
    newRequestId: () => `req_${++ids}`,
    limits,
    refuse: (stream, error, _path, headers) =>
      stream.send(
        error.kind === 'too_large' ? 413 : 400,
        headers,
        `${error.code} ${error.message}`,
      ),
    onFault: ({ error }) => faults.push(error),
  });
  t.after(() => server.close());
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
  return { port, url: `http://127.0.0.1:${port}`, server, faults };
}

const echo: HttpHandler = ({ stream, body }) => stream.send(200, {}, body);

test('a handler gets the request whole and answers with its id', async (t) => {
  let seen: HttpRequest | undefined;
  const { url } = await start(t, {
    'POST /echo': (request) => {
      seen = request;
      return echo(request);
    },
  });
  const response = await fetch(`${url}/echo?a=1`, {
    method: 'POST',
    body: 'hällo',
    headers: { 'x-request-id': 'mine-1' },
  });
  assert.equal(await response.text(), 'hällo');
  assert.equal(response.headers.get('x-request-id'), 'mine-1');
  assert.equal(seen?.route, 'POST /echo');
  assert.equal(seen?.path, '/echo');
  assert.equal(seen?.query, 'a=1');
  assert.equal(seen?.id, 'mine-1');
  assert.equal(seen?.remoteAddress, '127.0.0.1');
  assert.equal(seen?.receivedAtMs, 1_700_000_000_000);
});

test('a request id that could break a log line is replaced', async (t) => {
  const { port } = await start(t, { 'GET /': echo });
  const caller = callRaw(port);
  caller.send('GET / HTTP/1.1\r\nhost: x\r\nx-request-id: a b\r\nconnection: close\r\n\r\n');
  assert.match(await caller.closed(), /x-request-id: req_1\r\n/);
});

test('unknown paths and methods are refused with what is there', async (t) => {
  const { url } = await start(t, { 'POST /v1/echo': echo, 'GET /v1/get': echo });
  const missing = await fetch(`${url}/echo`, { method: 'POST', body: 'x' });
  assert.match(await missing.text(), /route_not_found.*did you mean \/v1\/echo/);
  const wrong = await fetch(`${url}/v1/echo`);
  assert.match(await wrong.text(), /method_not_allowed.*takes OPTIONS, POST/);
  assert.equal(wrong.headers.get('allow'), 'OPTIONS, POST');
  assert.ok(wrong.headers.get('x-request-id'));
  const options = await fetch(`${url}/v1/echo`, { method: 'OPTIONS' });
  assert.equal(options.status, 204);
  assert.equal(options.headers.get('allow'), 'OPTIONS, POST');
  const head = await fetch(`${url}/v1/get`, { method: 'HEAD' });
  assert.equal(head.status, 200);
});

test('a body over the limit is refused with both numbers, declared or not', async (t) => {
  const { port, url } = await start(t, { 'POST /echo': echo }, { bodyBytesMax: 10 });
  const declared = await fetch(`${url}/echo`, { method: 'POST', body: 'x'.repeat(11) });
  assert.equal(declared.status, 413);
  assert.match(await declared.text(), /body_too_large the body has 11 bytes; at most 10/);
  const caller = callRaw(port);
  caller.send(
    'POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n8\r\nxxxxxxxx\r\n8\r\nxxxxxxxx\r\n0\r\n\r\n',
  );
  await caller.until(/413 .*more than 10 bytes/s);
  // It was read to its end, so that the connection is good for another.
  caller.send(rawPost('/echo', 'short'));
  await caller.until(/200 OK.*short$/s);
  caller.socket.destroy();
});

test('a body that goes on and on is cut off', async (t) => {
  const { port } = await start(t, { 'POST /echo': echo }, { bodyBytesMax: 10 });
  const caller = callRaw(port);
  caller.send(
    `POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n40\r\n${'x'.repeat(64)}\r\n`,
  );
  assert.match(await caller.closed(), /413 .*connection: close/is);
});

test('a caller who asks first is told before sending', async (t) => {
  const { port } = await start(t, { 'POST /echo': echo }, { bodyBytesMax: 10 });
  const polite = callRaw(port);
  polite.send(
    'POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n',
  );
  await polite.until(/100 Continue\r\n\r\n$/);
  polite.send('hello');
  await polite.until(/200 OK.*hello$/s);
  polite.socket.destroy();
  const large = callRaw(port);
  large.send(
    'POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 50\r\nexpect: 100-continue\r\n\r\n',
  );
  const answer = await large.closed();
  assert.match(answer, /^HTTP\/1.1 413 /);
});

test('compressed bodies, other charsets and broken UTF-8 are refused by name', async (t) => {
  const { url } = await start(t, { 'POST /echo': echo });
  const post = async (headers: Record<string, string>, body: string | Uint8Array<ArrayBuffer>) =>
    (await fetch(`${url}/echo`, { method: 'POST', headers, body })).text();
  assert.match(await post({ 'content-encoding': 'gzip' }, 'x'), /unsupported_encoding.*"gzip"/);
  assert.match(await post({ 'content-type': 'application/json; charset=gbk' }, 'x'), /"gbk"/);
  assert.match(await post({}, new Uint8Array([0xff, 0xfe])), /not valid UTF-8/);
  assert.equal(await post({ 'content-type': 'application/json; charset=UTF-8' }, 'é'), 'é');
  assert.equal(await post({ 'content-encoding': 'identity' }, 'x'), 'x');
});

test('what is not HTTP gets a clear answer and an id', async (t) => {
  const { port } = await start(t, { 'GET /': echo }, { headerBytesMax: 1000 });
  const nonsense = callRaw(port);
  nonsense.send('hello\r\n\r\n');
  assert.match(await nonsense.closed(), /^HTTP\/1.1 400 .*x-request-id: req_.*not a valid HTTP/s);
  const long = callRaw(port);
  long.send(`GET / HTTP/1.1\r\nhost: x\r\na: ${'x'.repeat(2000)}\r\n\r\n`);
  assert.match(await long.closed(), /^HTTP\/1.1 431 .*more than 1000 bytes/s);
});

test('a head or a body that never comes whole is given up with 408', async (t) => {
  const limits = { headerTimeoutMs: 30, requestTimeoutMs: 60 };
  const { port } = await start(t, { 'POST /echo': echo }, limits);
  for (const beginning of ['POST /echo HTT', rawPost('/echo', 'hello').slice(0, -1)]) {
    const caller = callRaw(port);
    caller.send(beginning);
    assert.match(await caller.closed(), /^HTTP\/1.1 408 .*x-request-id: req_.*not come whole/s);
  }
});

test('a handler that breaks answers 500 before its head and cuts the connection after it', async (t) => {
  const { url, port, faults } = await start(t, {
    'GET /sync': () => {
      throw new Error('sync');
    },
    'GET /async': async () => {
      throw new UnbusyError('not_found', 'model_not_found', 'no such model');
    },
    'GET /late': ({ stream }) => {
      stream.begin(200, {});
      stream.writePayload('half');
      throw new Error('late');
    },
  });
  assert.match(await (await fetch(`${url}/sync`)).text(), /^internal /);
  assert.match(await (await fetch(`${url}/async`)).text(), /^model_not_found /);
  const caller = callRaw(port);
  caller.send('GET /late HTTP/1.1\r\nhost: x\r\n\r\n');
  assert.doesNotMatch(await caller.closed(), /\r\n0\r\n/);
  assert.deepEqual(
    faults.map(({ message }) => message),
    ['internal error: sync', 'internal error: late'],
  );
});

test('pipelined requests run one after the other, and not too many of them', async (t) => {
  const running: HttpRequest[] = [];
  const { port } = await start(t, { 'POST /hold': (request) => void running.push(request) });
  const caller = callRaw(port);
  caller.send(rawPost('/hold', 'a') + rawPost('/hold', 'b'));
  await eventually(() => running.length === 1);
  running[0]?.stream.send(200, {}, 'first');
  await eventually(() => running.length === 2);
  running[1]?.stream.send(200, {}, 'second');
  assert.match(await caller.until(/second$/), /first.*second/s);
  caller.send(rawPost('/hold', 'c').repeat(40));
  await caller.closed();
});

test('a draining server ends what runs, keeps no connection and takes no new one', async (t) => {
  const running: HttpRequest[] = [];
  const { port, server } = await start(t, {
    'POST /hold': (request) => void running.push(request),
  });
  const idle = callRaw(port);
  const busy = callRaw(port);
  busy.send(rawPost('/hold', 'a'));
  await eventually(() => running.length === 1);
  assert.equal(server.openRequests, 1);
  const drained = server.drain();
  await idle.closed();
  running[0]?.stream.send(200, {}, 'done');
  assert.match(await busy.closed(), /connection: close.*done$/is);
  await drained;
  assert.equal(server.openRequests, 0);
  await assert.rejects(callRaw(port).until(/x/));
});

test('an address that is taken is an error of the one who listens', async (t) => {
  const { port } = await start(t, {});
  const second = createHttpServer({
    routes: {},
    clock: createVirtualClock(),
    newRequestId: () => 'x',
    refuse: () => {},
    onFault: () => {},
  });
  await assert.rejects(second.listen({ host: '127.0.0.1', port }), { code: 'EADDRINUSE' });
});

/** Waits for something that the event loop will bring. */
async function eventually(done: () => boolean): Promise<void> {
  while (!done()) await new Promise((resolve) => setImmediate(resolve));
}
