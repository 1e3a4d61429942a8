/** What the tests of the OpenAI upstream share: fake engines, upstreams in front of them, requests. */
import type { TestContext } from 'node:test';
import { createSystemClock, type VirtualClock } from '../core/clock.ts';
import type { GenerationEvent, GenerationRequest } from '../protocol/generation.ts';
import type {
  Exchange,
  OutputForm,
  Upstream,
  UpstreamError,
  UpstreamStart,
  WireRead,
} from '../protocol/ports.ts';
import type { TelemetrySink } from '../protocol/telemetry.ts';
import {
  createFakeUpstream,
  type FakeUpstream,
  type FakeUpstreamOptions,
} from './fake-upstream.ts';
import { createOpenAiUpstream, type OpenAiUpstreamOptions } from './openai-upstream.ts';

export const TIMEOUTS = { connectMs: 2000, firstTokenMs: 5000, idleMs: 5000, totalMs: 10_000 };

export function silentTelemetry(states: string[] = []): TelemetrySink {
  return {
    requestSettled() {},
    engineStep() {},
    endpointState: (_, state) => states.push(state),
    note() {},
  };
}

export const MINIMAL: OpenAiUpstreamOptions = {
  name: 'e1',
  url: 'http://127.0.0.1:1',
  timeouts: TIMEOUTS,
  clock: createSystemClock(),
  telemetry: silentTelemetry(),
};

export function upstreamFor(
  t: TestContext,
  url: string,
  options: Partial<OpenAiUpstreamOptions> = {},
): Upstream {
  const upstream = createOpenAiUpstream({ ...MINIMAL, url, ...options });
  t.after(() => upstream.close());
  return upstream;
}

export async function fakeFor(
  t: TestContext,
  options: FakeUpstreamOptions = {},
): Promise<FakeUpstream> {
  const fake = await createFakeUpstream(options);
  t.after(() => fake.close());
  return fake;
}

/** A fake of the engine and a started upstream in front of it. */
export async function pair(
  t: TestContext,
  fakeOptions: FakeUpstreamOptions = {},
  options: Partial<OpenAiUpstreamOptions> = {},
): Promise<{ readonly fake: FakeUpstream; readonly upstream: Upstream }> {
  const fake = await fakeFor(t, fakeOptions);
  const upstream = upstreamFor(t, fake.url, options);
  await upstream.start();
  return { fake, upstream };
}

export function chat(body: Record<string, unknown> = {}): GenerationRequest {
  const whole = { model: 'deepseek-r1', messages: [{ role: 'user', content: '2+2?' }], ...body };
  return {
    id: 'req-1',
    model: whole.model,
    inputs: [
      { kind: 'chat', messages: [{ role: 'user', content: [{ kind: 'text', text: '2+2?' }] }] },
    ],
    choicesPerInput: 1,
    sampling: {},
    stop: [],
    echo: false,
    format: { kind: 'text' },
    reasoning: { placement: 'separate' },
    tools: [],
    deterministic: false,
    stream: body['stream'] === true,
    wire: { dialect: 'chat', body: whole, bytes: Buffer.from(JSON.stringify(whole)) },
  };
}

export interface Result {
  readonly start: UpstreamStart | undefined;
  readonly text: string;
  readonly events: readonly GenerationEvent[];
  readonly failure: UpstreamError | undefined;
}

export interface Dispatched {
  readonly exchange: Exchange;
  readonly result: Promise<Result>;
}

export function dispatch(
  upstream: Upstream,
  request: GenerationRequest,
  output: OutputForm = 'bytes',
  onRead?: (read: WireRead) => void,
): Dispatched {
  const { promise, resolve } = Promise.withResolvers<Result>();
  const seen: { start: UpstreamStart | undefined; parts: Buffer[]; events: GenerationEvent[] } = {
    start: undefined,
    parts: [],
    events: [],
  };
  const finish = (failure?: UpstreamError) =>
    resolve({
      start: seen.start,
      text: Buffer.concat(seen.parts).toString(),
      events: seen.events,
      failure,
    });
  const exchange = upstream.dispatch(request, output, {
    onStart(start) {
      seen.start = start;
    },
    onRead(read) {
      for (let span = 0; span < read.spanCount; span += 1) {
        seen.parts.push(
          Buffer.from(read.buffer.subarray(read.spans[2 * span], read.spans[2 * span + 1])),
        );
      }
      onRead?.(read);
    },
    onEvents: (events) => seen.events.push(...events),
    onEnd: () => finish(),
    onError: (failure) => finish(failure),
  });
  return { exchange, result: promise };
}

export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

/** Lets virtual time pass, slowly enough for answers to come in between. */
export async function advanceUntil(clock: VirtualClock, condition: () => boolean): Promise<void> {
  while (!condition()) {
    clock.advance(50);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
