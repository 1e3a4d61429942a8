/**
 * What the step loop has to tell, put together into one message per step.
 *
 * Tokens are noted as they are sampled and turned into text when the next decode has been started,
 * so that text, JSON and the socket cost the model no time.
 */
import type { GenerationEvent, TokenLogprob } from '../protocol/generation.ts';
import type { EngineStepStats } from '../protocol/telemetry.ts';
import type { EngineStep } from './protocol.ts';
import { type RunningRequest, usageOf } from './running-request.ts';
import type { Sequence } from './sequence.ts';

export interface Outbox {
  /** A request has begun to generate. */
  started(request: RunningRequest): void;
  /** Events that are not the text of a sampled token. */
  events(request: RunningRequest, events: readonly GenerationEvent[]): void;
  /** A token was accepted; its text is worked out by the next `flush`. */
  token(sequence: Sequence, token: number, logprob: TokenLogprob | undefined): void;
  /** The sequence has ended, with or without a last token. */
  ended(sequence: Sequence): void;
  /** Works out the text and sends the step with everything since the last flush, if anything. */
  flush(stats: EngineStepStats): void;
}

interface Untold {
  readonly sequence: Sequence;
  readonly token: number;
  readonly logprob: TokenLogprob | undefined;
}

export function createOutbox(options: {
  readonly send: (step: EngineStep) => void;
  /** All choices have ended: the request is no longer the loop's. */
  readonly onFinished: (request: RunningRequest) => void;
}): Outbox {
  let untold: Untold[] = [];
  let ends: Sequence[] = [];
  let starts: RunningRequest[] = [];
  let output = new Map<RunningRequest, GenerationEvent[]>();

  const eventsOf = (request: RunningRequest): GenerationEvent[] => {
    let events = output.get(request);
    if (events === undefined) {
      events = [];
      output.set(request, events);
    }
    return events;
  };
  const tellAll = (): EngineStep['finished'][number][] => {
    for (const { sequence, token, logprob } of untold) {
      if (sequence.owner.closed) continue;
      sequence.tell(token, logprob, eventsOf(sequence.owner));
      if (sequence.ended !== undefined) ends.push(sequence);
    }
    const finished: EngineStep['finished'][number][] = [];
    for (const sequence of ends) {
      const { owner } = sequence;
      if (owner.closed) continue;
      sequence.tellEnd(eventsOf(owner));
      if (owner.sequences.some(({ told }) => !told)) continue;
      owner.closed = true;
      finished.push({ id: owner.request.id, usage: usageOf(owner) });
      options.onFinished(owner);
    }
    return finished;
  };

  return {
    started: (request) => starts.push(request),
    events: (request, events) => eventsOf(request).push(...events),
    token: (sequence, token, logprob) => untold.push({ sequence, token, logprob }),
    ended: (sequence) => ends.push(sequence),
    flush(stats) {
      const finished = tellAll();
      const { batchSize, prefillTokens } = stats;
      const told = [...output].flatMap(([request, events]) =>
        events.length === 0 ? [] : [{ id: request.request.id, events }],
      );
      const started = starts.map(({ request, promptTokens, cachedTokens }) => ({
        id: request.id,
        promptTokens,
        cachedTokens,
      }));
      untold = [];
      ends = [];
      starts = [];
      output = new Map();
      const silent = told.length + started.length + finished.length === 0;
      if (silent && batchSize === 0 && prefillTokens === 0) return;
      options.send({ ...stats, started, output: told, finished });
    },
  };
}
