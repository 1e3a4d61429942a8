/**
 * Every way in which an upstream can fail, and what the caller is told: never a clean 200 with half
 * an answer, and never silence.
 *
 * Each way has an upstream of its own behind one server, so that none waits for the back-off of
 * another. What fails before any content is repeated until the caller's deadline.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  createFakeUpstream,
  type FakeBehaviour,
  type FakeUpstream,
} from '../../src/upstream/fake-upstream.ts';
import { post, postError, type WireError } from '../e2e/ask.ts';
import { type Server, startServer } from '../e2e/start-server.ts';

const route = '/v1/chat/completions';
const deadline = { 'x-unbusy-deadline-ms': '3000' };
/** The role, two thoughts and one word of the answer. */
const fourEvents = 4;

/** A status and a code; `event`: an error event in a stream that has begun. */
type Seen = readonly [status: number | 'event', code: string] | 'answer';

interface Failure {
  readonly behaviour: FakeBehaviour;
  readonly whole: Seen;
  readonly stream: Seen;
  /** The port is closed before anybody asks. */
  readonly gone?: true;
}

const chunkedHead =
  'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n';
const jsonHead = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n';
const errorEvent = `data: ${JSON.stringify({ error: { message: 'out of memory', code: 500 } })}\n\n`;

function status(
  code: number,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): FakeBehaviour {
  return { kind: 'status', status: code, body, headers };
}

function both(behaviour: FakeBehaviour, code: number, name: string): Failure {
  return { behaviour, whole: [code, name], stream: [code, name] };
}

const json = { 'content-type': 'application/json' };
const html = { 'content-type': 'text/html' };

const failures: Readonly<Record<string, Failure>> = {
  'is gone': { ...both({ kind: 'hang' }, 503, 'upstream_unavailable'), gone: true },
  'says nothing': both({ kind: 'hang' }, 504, 'upstream_timeout_first_token'),
  'resets before its head': both({ kind: 'reset' }, 503, 'upstream_unavailable'),
  'sends no HTTP': both({ kind: 'raw', bytes: ['hello\r\n\r\n'] }, 502, 'upstream_failed'),
  'closes after the head of a stream': {
    behaviour: { kind: 'raw', bytes: [chunkedHead] },
    whole: [502, 'upstream_failed'],
    stream: [502, 'upstream_cut'],
  },
  'closes after the head of a body': {
    behaviour: { kind: 'raw', bytes: [jsonHead] },
    whole: [502, 'upstream_cut'],
    stream: [502, 'upstream_cut'],
  },
  'answers 429 and asks for more time than there is': {
    behaviour: status(429, 'slow down', { 'retry-after': '30' }),
    whole: [503, 'upstream_busy'],
    // By then it is known that no deadline of 3 s can be kept.
    stream: [503, 'overloaded'],
  },
  'answers 429 and asks for no time': both(
    status(429, 'slow down', { 'retry-after': '0' }),
    503,
    'upstream_busy',
  ),
  'answers 503': both(status(503, 'full', { 'retry-after-ms': '900' }), 503, 'upstream_busy'),
  'answers 500 in HTML': both(status(500, '<html></html>', html), 502, 'upstream_failed'),
  'does not take our key': both(status(401, '{"error":"bad"}', json), 502, 'upstream_failed'),
  'answers 200 with an error': both(
    status(200, '{"error":{"message":"no","code":500}}', json),
    502,
    'upstream_failed',
  ),
  'answers 200 in HTML': both(status(200, '<html></html>', html), 502, 'upstream_failed'),
  'answers 200 with nothing': both(status(200, '', json), 502, 'upstream_failed'),
  'breaks off before its first word': both(
    { kind: 'answer', cut: { afterEvents: 1, by: 'destroy' } },
    502,
    'upstream_cut',
  ),
  'breaks off within its answer': {
    behaviour: { kind: 'answer', cut: { afterEvents: fourEvents, by: 'destroy' } },
    whole: [502, 'upstream_cut'],
    stream: ['event', 'upstream_cut'],
  },
  'ends cleanly within its answer': {
    behaviour: { kind: 'answer', cut: { afterEvents: fourEvents, by: 'end' } },
    whole: [502, 'upstream_cut'],
    stream: ['event', 'upstream_cut'],
  },
  'sends an error event within its answer': {
    behaviour: { kind: 'answer', insert: { afterEvents: fourEvents, text: errorEvent } },
    whole: 'answer',
    stream: ['event', 'upstream_cut'],
  },
  'sends an event that is no JSON within its answer': {
    behaviour: { kind: 'answer', insert: { afterEvents: fourEvents, text: 'data: {"choi\n\n' } },
    whole: 'answer',
    stream: ['event', 'upstream_cut'],
  },
  'gives its answer up': {
    behaviour: { kind: 'answer', finishReason: 'abort' },
    whole: [502, 'upstream_cut'],
    stream: ['event', 'upstream_cut'],
  },
  'forgets [DONE] after a finish reason': {
    behaviour: { kind: 'answer', omitDone: true },
    whole: 'answer',
    stream: 'answer',
  },
};

const names = Object.keys(failures);
const model = (name: string) => `model-${names.indexOf(name)}`;
let upstreams: ReadonlyMap<string, FakeUpstream>;
let server: Server;
let seen: ReadonlyMap<string, { readonly whole: Seen; readonly stream: Seen }>;

before(async () => {
  upstreams = new Map(
    await Promise.all(
      names.map(async (name) => {
        const behaviour = failures[name]!.behaviour;
        const fake = await createFakeUpstream({ engine: 'vllm', model: model(name), behaviour });
        return [name, fake] as const;
      }),
    ),
  );
  const timeouts = { connect_ms: 2000, first_token_ms: 2000, idle_ms: 2000, total_ms: 10_000 };
  const endpoints = Object.fromEntries(
    names.map((name) => {
      const url = upstreams.get(name)?.url;
      return [model(name), { kind: 'vllm', url, timeouts }];
    }),
  );
  // A stream that is not opened to tell its place can still choose its status.
  const queue = { headers_after_ms: 60_000 };
  server = await startServer({ config: { endpoints, queue } });
  const state = ['unbusy_endpoint_state', 'state="ready"'] as const;
  await server.untilMetric((ready) => ready === names.length, ...state);
  for (const name of names) if (failures[name]?.gone) await upstreams.get(name)?.close();
  seen = new Map(
    await Promise.all(
      names.map(async (name) => {
        return [name, { whole: await askWhole(name), stream: await askStream(name) }] as const;
      }),
    ),
  );
});
after(async () => {
  await server.stop();
  for (const upstream of upstreams.values()) await upstream.close();
});

for (const [name, { whole, stream }] of Object.entries(failures)) {
  test(`E4, A2: an upstream that ${name}`, () => {
    assert.deepEqual(seen.get(name), { whole, stream });
  });
}

test('A2: what was tried stands in the error', async () => {
  const ask = { model: model('answers 503'), messages: [{ role: 'user', content: 'x' }] };
  const { headers, body } = await postError(server.url, route, ask, deadline);
  assert.ok((body.attempts?.length ?? 0) >= 1);
  assert.ok(body.attempts?.every(({ result }) => result === 'upstream_busy'));
  assert.equal(body.retry_after_ms, 900);
  assert.ok(headers.get('retry-after'));
  assert.match(body.message, /answered 503: full/);
});

test('an upstream that asks for no rest is not asked again without end', () => {
  const requests = upstreams.get('answers 429 and asks for no time')?.requests.length ?? 0;
  assert.ok(requests > 2, 'it is asked again');
  // Two callers, 3 s each, 50 ms apart.
  assert.ok(requests <= (2 * 3000) / 50, `${requests} requests`);
});

async function askWhole(name: string): Promise<Seen> {
  const { status, body } = await post<{ error?: WireError; choices?: unknown[] }>(
    server.url,
    route,
    { model: model(name), messages: [{ role: 'user', content: 'x' }] },
    deadline,
  );
  if (status !== 200) return [status, body.error?.code ?? ''];
  assert.deepEqual([body.error, body.choices?.length], [undefined, 1]);
  return 'answer';
}

async function askStream(name: string): Promise<Seen> {
  const messages = [{ role: 'user', content: 'x' }];
  const response = await fetch(server.url + route, {
    method: 'POST',
    headers: deadline,
    body: JSON.stringify({ model: model(name), stream: true, messages }),
  });
  const text = await response.text();
  if (response.status !== 200) return [response.status, JSON.parse(text).error.code];
  const events = text
    .trimEnd()
    .split('\n\n')
    .filter((event) => !event.startsWith(':'));
  const last = events.at(-1);
  if (last === 'data: [DONE]') {
    assert.match(text, /The answer.* is.* 4\./s, 'a stream that is done is whole');
    return 'answer';
  }
  assert.ok(!text.includes('[DONE]'));
  return ['event', JSON.parse(last?.replace(/^data: /, '') ?? '').error.code];
}
