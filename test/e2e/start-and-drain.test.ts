/** The life of `unbusy serve` with the embedded engine: loading, ready, draining, gone. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { start } from '../cli/run-program.ts';
import { chat, longText, openStream, readStream } from './ask.ts';
import { freePort, type ServerOptions, startServer, until } from './start-server.ts';

const route = '/v1/chat/completions';

async function serve(t: TestContext, options: ServerOptions) {
  const server = await startServer(options);
  t.after(() => server.stop());
  return server;
}

/** Resolves with the error's code where nobody listens. */
function dial(url: string): Promise<string | undefined> {
  const { port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect(Number(port), '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once('error', (error) => resolve('code' in error ? String(error.code) : ''));
  });
}

test('B5: while the model loads /healthz answers, /readyz says what is missing, requests wait', async (t) => {
  const port = await freePort();
  const warmup = { requests: 150 };
  const demo = { kind: 'embedded', replicas: 1, threads: 1, flash_attention: true, warmup };
  const server = await serve(t, { port, untilReady: false, config: { endpoints: { demo } } });
  await until(async () => (await dial(server.url)) === undefined, 'the port is open');
  const health = await fetch(`${server.url}/healthz`);
  assert.deepEqual([health.status, await health.json()], [200, { status: 'ok' }]);
  const readiness = await fetch(`${server.url}/readyz`);
  assert.equal(readiness.status, 503);
  const { status, waiting_for: missing } = (await readiness.json()) as {
    status: string;
    waiting_for: { endpoint: string; state: string; reason: string }[];
  };
  assert.equal(status, 'not_ready');
  assert.deepEqual([missing.length, missing[0]?.endpoint], [1, 'demo']);
  assert.match(missing[0]?.reason ?? '', /^loading the model/);
  const early = await readStream(server.url, route, chat('What is 17 + 25?'));
  assert.match(early.text, /42/);
  assert.equal((await fetch(`${server.url}/readyz`)).status, 200);
  assert.ok(server.log.some(({ event }) => event === 'ready'));
});

test('J1: SIGTERM finishes the running answer, lets nobody new in and exits 0', async (t) => {
  const server = await serve(t, {});
  const body = await longText(server.url, 600);
  const stream = await openStream(server.url, '/v1/completions', body);
  await stream.begun;
  server.signal('SIGTERM');
  await server.untilLog(({ event }) => event === 'draining');
  await until(async () => (await dial(server.url)) === 'ECONNREFUSED', 'the port is closed');
  const { finish, done, chunks } = await stream.ended;
  assert.deepEqual([finish, done], ['length', true]);
  assert.ok(chunks.length > 100);
  const { code, signal, stderr } = await server.finished;
  assert.deepEqual([code, signal, stderr], [0, null, '']);
  assert.equal(server.log.at(-1)?.event, 'stopped');
});

test('J1: answers that outlive drain_ms are broken off visibly and the engine ends too', async (t) => {
  const config = { server: { drain_ms: 100 } };
  const server = await serve(t, { config });
  const body = await longText(server.url, 1900);
  const stream = await openStream(server.url, '/v1/completions', body);
  await stream.begun;
  const engines = server.enginePids();
  assert.ok(engines.length > 0);
  server.signal('SIGTERM');
  const { done, error, finish } = await stream.ended;
  assert.deepEqual([done, finish, error?.code], [false, undefined, 'draining']);
  const { code, stderr } = await server.finished;
  assert.deepEqual([code, stderr], [0, '']);
  await until(() => engines.every((pid) => !isRunning(pid)), 'the engine processes are gone');
});

test('the ready line names the demonstration model and a line to paste, which works', async (t) => {
  const running = start(['serve', '--port', '0']);
  t.after(() => running.child.kill('SIGKILL'));
  const shown = await running.untilOut('--upstream http://');
  assert.match(shown, /^unbusy \S+ is ready: http:\/\/127\.0\.0\.1:\d+\/v1 /m);
  assert.match(shown, /^ {2}model {5}pocket-r1 \(demonstration model, 10 M parameters/m);
  const [, url = '', body = ''] = /curl -N (\S+) \\\n[^']*'[^']*' -d '([^']*)'/.exec(shown) ?? [];
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  });
  assert.match(await answer.text(), /"content":"2"[\s\S]*\[DONE\]/);
});

test('a gateway that is killed takes its engines along', async (t) => {
  const server = await serve(t, {});
  const engines = server.enginePids();
  assert.ok(engines.length > 0);
  server.signal('SIGKILL');
  await server.finished;
  await until(() => engines.every((pid) => !isRunning(pid)), 'the engine processes are gone');
});

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
