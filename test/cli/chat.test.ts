/** `unbusy chat`: in pipes as a real process, at the prompt with a terminal that the test types on. */
import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { chatInteractively } from '../../src/cli/chat/read-eval-print.ts';
import { sseEvents } from '../../src/cli/chat/sse-events.ts';
import type { Terminal } from '../../src/cli/terminal.ts';
import { chunk, type FakeApi, type Script, startFakeApi, thoughtAndAnswer } from './fake-api.ts';
import { run } from './run-program.ts';

async function withApi(script: Script, use: (api: FakeApi) => Promise<void>): Promise<void> {
  const api = await startFakeApi(script);
  try {
    await use(api);
  } finally {
    await api.close();
  }
}

test('in a pipe only the answer is written', () =>
  withApi(thoughtAndAnswer, async (api) => {
    const { code, stdout, stderr } = await run(['chat', '--url', api.url, '-m', 'What is 6 x 7?']);
    assert.deepEqual([code, stdout, stderr], [0, 'It is 42.\n', '']);
    assert.deepEqual(api.asked, [
      { model: 'm-1', messages: [{ role: 'user', content: 'What is 6 x 7?' }], stream: true },
    ]);
  }));

test('the prompt can come from standard input; key, model and system prompt are sent', () =>
  withApi(thoughtAndAnswer, async (api) => {
    const origin = api.url.replace(/\/v1$/, '');
    const args = ['chat', '--url', origin, '--model', 'm-2', '--system', 'Be brief.'];
    const { code, stdout } = await run(args, {
      input: 'from a file\n',
      env: { UNBUSY_API_KEY: 'k-1' },
    });
    assert.deepEqual([code, stdout], [0, 'It is 42.\n']);
    assert.equal(api.asked[0]?.model, 'm-2');
    assert.deepEqual(api.asked[0]?.messages, [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'from a file' },
    ]);
    assert.equal(api.lastHeaders().authorization, 'Bearer k-1');
  }));

test('a thought between think tags is no part of the answer', () =>
  withApi(
    (_, response) => {
      for (const content of ['<th', 'ink>\nhmm\n</thi', 'nk>\n\nYes.']) {
        response.write(chunk({ content }));
      }
      response.end(`${chunk({}, 'stop')}data: [DONE]\n\n`);
    },
    async (api) => {
      assert.equal((await run(['chat', '--url', api.url, '-m', 'x'])).stdout, 'Yes.\n');
    },
  ));

const failures: readonly { name: string; script: Script; message: RegExp }[] = [
  {
    name: 'an error before the answer comes with its remedy and the time to come back',
    script: (_, response) => {
      response.writeHead(503, { 'retry-after': '7' });
      response.end(JSON.stringify({ error: { message: 'too busy', code: 'overloaded' } }));
    },
    message: /^unbusy: too busy\nCome back after `retry-after`.*; come back in 7 s\n$/,
  },
  {
    name: 'an error event in the stream',
    script: (_, response) => {
      response.end(
        `${chunk({ content: 'half' })}data: {"error":{"message":"it broke","code":"x"}}\n\n`,
      );
    },
    message: /^unbusy: it broke\n$/,
  },
  {
    name: 'a stream that ends without saying so',
    script: (_, response) => response.end(chunk({ content: 'half' })),
    message: /^unbusy: the server broke off: the answer is not complete\n$/,
  },
  {
    name: 'a connection that is cut',
    script: (_, response) => {
      response.write(chunk({ content: 'half' }), () => response.destroy());
    },
    message: /^unbusy: the server broke off: the answer is not complete\n$/,
  },
  {
    name: 'an error page that is not JSON',
    script: (_, response) => {
      response.writeHead(502);
      response.end('<html>');
    },
    message: /^unbusy: the server answered with status 502\n$/,
  },
];

for (const { name, script, message } of failures) {
  test(`failure: ${name}`, () =>
    withApi(script, async (api) => {
      const { code, stderr } = await run(['chat', '--url', api.url, '-m', 'x']);
      assert.equal(code, 1);
      assert.match(stderr, message);
    }));
}

test('an answer that reached its limit says so', () =>
  withApi(
    (_, response) => response.end(`${chunk({ content: 'half' }, 'length')}data: [DONE]\n\n`),
    async (api) => {
      const { code, stderr } = await run(['chat', '--url', api.url, '-m', 'x']);
      assert.deepEqual([code, stderr], [0, '(cut off: the limit of tokens was reached)\n']);
    },
  ));

test('without a server the message says how to start one', async () => {
  const api = await startFakeApi(thoughtAndAnswer);
  await api.close();
  const { code, stderr } = await run(['chat', '--url', api.url, '-m', 'x']);
  assert.equal(code, 1);
  assert.match(stderr, /^unbusy: no server answers at .*\nstart one in another terminal: /);
});

test('an empty prompt is bad usage', async () => {
  assert.equal((await run(['chat'], { input: '\n' })).code, 2);
});

test('events are the same however the bytes are cut', async () => {
  const bytes = Buffer.from(
    ': a\n\ndata: {"x":"é中"}\r\n\r\ndata:1\ndata: 2\n\nevent: y\n\ndata: [DONE]\n\n',
  );
  const whole = await collect([bytes]);
  assert.deepEqual(whole, [
    { kind: 'comment', text: 'a' },
    { kind: 'data', data: '{"x":"é中"}' },
    { kind: 'data', data: '1\n2' },
    { kind: 'data', data: '[DONE]' },
  ]);
  for (let cut = 1; cut < bytes.length; cut += 1) {
    assert.deepEqual(await collect([bytes.subarray(0, cut), bytes.subarray(cut)]), whole);
  }
});

async function collect(parts: readonly Uint8Array[]) {
  const events = [];
  for await (const event of sseEvents(
    (async function* () {
      yield* parts;
    })(),
  )) {
    events.push(event);
  }
  return events;
}

/** A terminal on which the test types, and what it shows. */
function typewriter() {
  const stdin = new PassThrough();
  let shown = '';
  const listeners = new Set<() => void>();
  const take = (text: string): boolean => {
    shown += text;
    for (const listener of listeners) listener();
    return true;
  };
  const stdout = Object.assign(new PassThrough(), { isTTY: true, columns: 80 });
  stdout.setEncoding('utf8').on('data', take);
  const terminal: Terminal = {
    stdin: Object.assign(stdin, { isTTY: true }) as unknown as NodeJS.ReadStream,
    stdout: stdout as unknown as NodeJS.WriteStream,
    env: {},
    out: take,
    err: take,
    colours: true,
    dim: (text) => `[dim]${text}[/dim]`,
    invocation: { command: 'unbusy', serve: 'unbusy serve' },
  };
  return {
    terminal,
    type: (text: string) => stdin.write(text),
    /** Resolves once `text` has been shown after everything awaited before. */
    until: (text: string) =>
      new Promise<string>((resolve) => {
        const look = (): void => {
          const at = shown.indexOf(text);
          if (at === -1) return;
          listeners.delete(look);
          const seen = shown.slice(0, at + text.length);
          shown = shown.slice(at + text.length);
          resolve(seen);
        };
        listeners.add(look);
        look();
      }),
  };
}

const prompt = '> ';

test('at the prompt: thoughts are dimmed, the place in the queue shows, the conversation is kept', () =>
  withApi(thoughtAndAnswer, async (api) => {
    const { terminal, type, until } = typewriter();
    const done = chatInteractively(
      { target: { url: api.url }, model: 'm-1', system: undefined },
      terminal,
    );
    await until(prompt);
    type('first\n');
    const shown = await until('42.\n');
    assert.match(shown, /\[dim\]waiting: place 3 in the queue, about 1 s\[\/dim\]/);
    assert.match(shown, /\[dim\]hmm \[\/dim\]\[dim\]first\[\/dim\]\n\nIt is 42\.\n$/);
    await until(prompt);
    type('second\n');
    await until('42.\n');
    assert.deepEqual(
      api.asked[1]?.messages.map(({ content }) => content),
      ['first', 'It is 42.', 'second'],
    );
    await until(prompt);
    type('/new\n');
    await until('(new conversation)');
    await until(prompt);
    type('third\n');
    await until('42.\n');
    assert.equal(api.asked[2]?.messages.length, 1);
    await until(prompt);
    type('/quit\n');
    await done;
  }));

test('at the prompt: /model lists and changes, /help explains, unknown commands say so', () =>
  withApi(thoughtAndAnswer, async (api) => {
    const { terminal, type, until } = typewriter();
    const done = chatInteractively(
      { target: { url: api.url }, model: 'm-1', system: undefined },
      terminal,
    );
    await until(prompt);
    type('/model\n');
    await until('* m-1\n  m-2\n');
    type('/model m-3\n');
    await until('there is no model "m-3"; there are: m-1, m-2\n');
    type('/model m-2\n');
    await until('(m-2)\n');
    type('/what\n');
    await until('there is no /what\n/new');
    type('hello\n');
    await until('42.\n');
    assert.equal(api.asked[0]?.model, 'm-2');
    type('\u0004');
    await done;
  }));

test('Ctrl-C stops the answer and not the program; twice at the prompt it leaves', () =>
  withApi(
    (_, response) => {
      response.write(chunk({ content: 'endless' }));
    },
    async (api) => {
      const { terminal, type, until } = typewriter();
      const done = chatInteractively(
        { target: { url: api.url }, model: 'm-1', system: undefined },
        terminal,
      );
      await until(prompt);
      type('go\n');
      await until('endless');
      type('\u0003');
      await until('(stopped)\n');
      await api.left;
      await until(prompt);
      type('\u0003');
      await until('(Ctrl-C again to leave)');
      await until(prompt);
      type('\u0003');
      await done;
    },
  ));

test('a failure leaves the conversation open', () =>
  withApi(
    (question, response) => {
      if (question === 'ok') return thoughtAndAnswer(question, response);
      response.writeHead(500);
      response.end('{"error":{"message":"no luck"}}');
    },
    async (api) => {
      const { terminal, type, until } = typewriter();
      const done = chatInteractively(
        { target: { url: api.url }, model: 'm-1', system: undefined },
        terminal,
      );
      await until(prompt);
      type('bad\n');
      await until('no luck\n');
      await until(prompt);
      type('ok\n');
      await until('42.\n');
      assert.equal(api.asked[1]?.messages.length, 1, 'a question without an answer is not kept');
      type('/quit\n');
      await done;
    },
  ));
