import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configFromFlags } from '../../config/load.ts';
import { type ReadyFacts, readyRecord, readyText, waitingText } from './ready-text.ts';

const demo: ReadyFacts = {
  version: '0.1.0',
  url: 'http://127.0.0.1:6710',
  models: [
    {
      id: 'pocket-r1',
      description: 'demonstration model',
      parameters: 10_010_000,
      contextTokens: 2048,
    },
  ],
  endpoints: [{ name: 'demo', kind: 'embedded', state: 'ready' }],
  config: configFromFlags({}).config,
  source: 'defaults',
  invocation: { command: 'npx unbusy', serve: 'npm start --' },
};

test('the ready text says where, which model, how to try it, and how to front an engine', () => {
  assert.equal(
    readyText(demo),
    `unbusy 0.1.0 is ready: http://127.0.0.1:6710/v1  (config: defaults)
  model     pocket-r1 (demonstration model, 10 M parameters, context 2048)

Try it:
  curl -N http://127.0.0.1:6710/v1/chat/completions \\
    -H 'content-type: application/json' -d '{"stream": true,
    "model": "pocket-r1", "messages": [{"role": "user",
    "content": "What is 17 + 25?"}]}'
or talk to it: npx unbusy chat

To front an engine that runs already:
  npm start -- --upstream http://HOST:8000/v1
`,
  );
});

test('the body of the curl line is JSON', () => {
  const body = /-d '([^']*)'/.exec(readyText(demo))?.[1] ?? '';
  assert.deepEqual(JSON.parse(body), {
    stream: true,
    model: 'pocket-r1',
    messages: [{ role: 'user', content: 'What is 17 + 25?' }],
  });
});

test('with --upstream it says where prompts go, and whether that is outside', () => {
  const config = configFromFlags({ upstreams: ['http://gpu:8000', 'https://api.x.com'] }).config;
  const text = readyText({ ...demo, config, source: 'command line' });
  assert.match(text, /upstream {2}upstream-1: prompts go to http:\/\/gpu:8000\/v1\n/);
  assert.match(
    text,
    /upstream-2: prompts go to https:\/\/api\.x\.com\/v1, outside your own network/,
  );
  assert.doesNotMatch(text, /To front an engine/);
});

test('an endpoint that is not ready is named with its reason', () => {
  const endpoints = [{ name: 'a', kind: 'vllm', state: 'down', reason: 'connection refused' }];
  assert.match(readyText({ ...demo, endpoints }), /\n {2}down {6}a: connection refused\n/);
  assert.equal(
    waitingText({ ...demo, endpoints }),
    'listening on http://127.0.0.1:6710/v1; no model can answer yet\n' +
      '  down      a: connection refused\n',
  );
});

test('an address that listens everywhere is shown as one that can be reached', () => {
  const text = readyText({ ...demo, url: 'http://0.0.0.0:6710' });
  assert.match(text, /curl -N http:\/\/127\.0\.0\.1:6710\//);
});

test('the text fits 80 columns', () => {
  for (const line of readyText(demo).split('\n')) assert.ok([...line].length <= 80, line);
});

test('for logs it is one object with the same facts', () => {
  const record = readyRecord(demo);
  assert.deepEqual(record['models'], ['pocket-r1']);
  assert.equal(record['url'], 'http://127.0.0.1:6710/v1');
});
