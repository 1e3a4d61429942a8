/**
 * The gateway that real clients are tried against: the whole program in this process, with the
 * embedded engine and its model, or with an upstream that misbehaves on purpose.
 */
import { EventEmitter, once } from 'node:events';
import { after, type TestContext } from 'node:test';
import { loadConfig } from '../../src/config/load.ts';
import { startGateway } from '../../src/gateway/gateway.ts';
import type { Outcome } from '../../src/protocol/telemetry.ts';
import { createFakeUpstream, type FakeBehaviour } from '../../src/upstream/fake-upstream.ts';

export type Behaviour =
  /** The embedded engine answers with its demonstration model. */
  | 'answers'
  /** An engine's own bytes are relayed. */
  | 'relayed'
  /** Every request is refused, because the queue is full. */
  | 'overloaded'
  /** The answer breaks off after its first words. */
  | 'breaks'
  /** An answer that goes on for longer than any test. */
  | 'endless'
  /** The engine accepts and says nothing. */
  | 'silent';

export interface TestGateway {
  /** `http://127.0.0.1:PORT/v1`. */
  readonly baseUrl: string;
  /** The model it serves. */
  readonly model: string;
  /** The next request has reached an engine that is not embedded. */
  nextRequest(): Promise<void>;
  /** How the next request ends, once it has. */
  nextOutcome(): Promise<Outcome>;
  close(): Promise<void>;
}

const misbehaviour: Readonly<Record<Exclude<Behaviour, 'answers'>, FakeBehaviour>> = {
  relayed: { kind: 'answer' },
  overloaded: { kind: 'hang' },
  breaks: { kind: 'answer', cut: { afterEvents: 4, by: 'destroy' } },
  endless: { kind: 'answer', answer: Array<string>(10_000).fill(' more'), paceMs: 5 },
  silent: { kind: 'hang' },
};

async function startTestGateway(behaviour: Behaviour = 'answers'): Promise<TestGateway> {
  const events = new EventEmitter();
  const upstream =
    behaviour === 'answers'
      ? undefined
      : await createFakeUpstream({
          engine: 'vllm',
          model: 'deepseek-r1',
          behaviour: () => {
            events.emit('request');
            return misbehaviour[behaviour];
          },
        });
  const { config } = loadConfig(
    upstream ? { path: 'test.yaml', readFile: () => configOf(upstream.url) } : {},
  );
  const gateway = await startGateway(
    { ...config, server: { ...config.server, port: 0 } },
    {
      logFormat: 'json',
      color: false,
      version: 'test',
      write(text) {
        for (const line of text.split('\n').filter(Boolean)) {
          const entry = JSON.parse(line) as { event: string; outcome?: Outcome; state?: string };
          if (entry.event === 'request') events.emit('outcome', entry.outcome);
          if (entry.state === 'ready') events.emit('ready');
        }
      },
    },
  );
  if (gateway.models().length === 0) await once(events, 'ready');
  const fillers = behaviour === 'overloaded' ? await fill(gateway.url) : undefined;
  return {
    baseUrl: `${gateway.url}/v1`,
    model: gateway.models()[0]?.id ?? '',
    nextRequest: async () => void (await once(events, 'request')),
    nextOutcome: async () => (await once(events, 'outcome'))[0] as Outcome,
    async close() {
      fillers?.abort();
      await gateway.close();
      await upstream?.close();
    },
  };
}

/** One request fits on the engine and one into the queue. */
function configOf(url: string): string {
  const engine = `{ kind: openai, url: "${url}/v1", location: own, concurrency: { max: 1 } }`;
  return `endpoints: { engine: ${engine} }\nqueue: { max_depth: 1 }\n`;
}

/** Two requests that nothing answers; resolves when one of them stands in the queue. */
async function fill(url: string): Promise<AbortController> {
  const abort = new AbortController();
  const body = JSON.stringify({ messages: [{ role: 'user', content: 'Wait.' }] });
  const { signal } = abort;
  for (let i = 0; i < 2; i += 1) {
    fetch(`${url}/v1/chat/completions`, { method: 'POST', body, signal }).catch(() => {});
  }
  let metrics: string;
  do metrics = await (await fetch(`${url}/metrics`)).text();
  while (!/^unbusy_queue_depth\{[^}]*\} 1$/m.test(metrics));
  return abort;
}

/** Gives a file's tests their gateways: one for all that want answers, else one each. */
export function createTestGateways(): (
  t: TestContext,
  behaviour: Behaviour,
) => Promise<TestGateway> {
  let answering: Promise<TestGateway> | undefined;
  after(async () => (await answering)?.close());
  return async (t, behaviour) => {
    if (behaviour === 'answers') {
      answering ??= startTestGateway();
      return answering;
    }
    const gateway = await startTestGateway(behaviour);
    t.after(() => gateway.close());
    return gateway;
  };
}
