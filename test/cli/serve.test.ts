/** `unbusy serve` as a process of its own, in front of a scripted engine: start, signals, end. */
import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { type TestContext, test } from 'node:test';
import { chunk, type FakeApi, type Script, startFakeApi, thoughtAndAnswer } from './fake-api.ts';
import { type Running, run, start } from './run-program.ts';

async function fakeApi(t: TestContext, script: Script): Promise<FakeApi> {
  const api = await startFakeApi(script);
  t.after(() => api.close());
  return api;
}

function serve(t: TestContext, api: FakeApi, ...flags: string[]): Running {
  const running = start(['serve', '--port', '0', '--upstream', api.url, ...flags]);
  t.after(() => running.child.kill('SIGKILL'));
  return running;
}

function addressIn(text: string): string {
  return /http:\/\/127\.0\.0\.1:\d+(?=\/v1"|\/v1 {2})/.exec(text)?.[0] ?? '';
}

function ask(url: string): Promise<Response> {
  return fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({
      model: 'm-1',
      stream: true,
      messages: [{ role: 'user', content: 'x' }],
    }),
  });
}

test('B4: with --upstream it says where prompts go, and serves', async (t) => {
  const api = await fakeApi(t, thoughtAndAnswer);
  const running = serve(t, api);
  const shown = await running.untilOut('or talk to it:');
  assert.match(
    shown,
    /^unbusy .* is ready: http:\/\/127\.0\.0\.1:\d+\/v1 {2}\(config: command line\)$/m,
  );
  assert.ok(shown.includes(`upstream-1: prompts go to ${api.url}\n`), shown);
  assert.ok(!shown.includes('\u001b'), 'no colours in a pipe');
  const answer = await (await ask(addressIn(shown))).text();
  assert.match(answer, /"content":"42\."[\s\S]*data: \[DONE\]/);
  running.child.kill('SIGTERM');
  const { code, stdout } = await running.finished;
  assert.equal(code, 0);
  assert.match(stdout, /stopping: no answer is running\n(.*\n)*stopped\n$/);
});

test('J1: SIGTERM lets a running answer finish and then exits 0', async (t) => {
  const { promise: begun, resolve: begin } = Promise.withResolvers<ServerResponse>();
  const api = await fakeApi(t, (_, response) => {
    response.write(chunk({ content: 'first' }));
    begin(response);
  });
  const running = serve(t, api, '--log-format', 'json');
  const response = await ask(addressIn(await running.untilOut('"event":"ready"')));
  const upstream = await begun;
  running.child.kill('SIGTERM');
  await running.untilOut('1 answer is still running');
  upstream.end(`${chunk({ content: 'last' }, 'stop')}data: [DONE]\n\n`);
  assert.match(await response.text(), /first[\s\S]*last[\s\S]*\[DONE\]/);
  const { code, stdout } = await running.finished;
  assert.equal(code, 0);
  const events = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).event as unknown);
  assert.ok(events.includes('ready'));
  assert.equal(events.at(-1), 'stopped');
});

test('J1: a second signal, later than the copies of the first, stops at once', async (t) => {
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const api = await fakeApi(t, (_, response) => {
    response.write(chunk({ content: 'endless' }));
    begin();
  });
  const running = serve(t, api, '--log-format', 'json');
  const response = await ask(addressIn(await running.untilOut('"event":"ready"')));
  const answer = response.text().catch(() => 'cut');
  await begun;
  const again = setInterval(() => running.child.kill('SIGINT'), 50);
  t.after(() => clearInterval(again));
  assert.equal((await running.finished).code, 130);
  await answer;
});

test('a port that an engine holds: who holds it, and the line that fronts it', async (t) => {
  const api = await fakeApi(t, thoughtAndAnswer);
  const port = new URL(api.url).port;
  const { code, stderr } = await run(['serve', '--port', port, '--upstream', api.url]);
  assert.equal(code, 1);
  assert.match(stderr, new RegExp(`^unbusy: port ${port} on 127\\.0\\.0\\.1 is taken by `));
  assert.match(stderr, /it answers like an engine \(m-1, m-2\); to front it:/);
  assert.ok(stderr.includes(`unbusy serve --upstream http://127.0.0.1:${port}/v1 --port `));
  assert.doesNotMatch(stderr, /\n {4}at /);
});

test('a bad config exits 2, an unreadable model exits 1, each with one clear line', async () => {
  const config = await run(['serve', '--config', 'no-such.yaml']);
  assert.deepEqual([config.code, config.stderr], [2, 'no-such.yaml: there is no such file\n']);
  const model = await run(['serve', '--port', '0', '--model', 'no-such.gguf']);
  assert.equal(model.code, 1);
  assert.match(model.stderr, /^unbusy: [^\n]*no-such\.gguf[^\n]*\n$/);
  const open = await run(['serve', '--host', '0.0.0.0']);
  assert.equal(open.code, 2);
  assert.match(open.stderr, /^--host: 0\.0\.0\.0 is reachable from other machines[^\n]*\n$/);
});
