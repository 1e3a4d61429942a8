/**
 * An upstream's OpenAI answer, streamed or whole, as `GenerationEvent`s: for callers of other
 * protocols, and wherever bytes cannot be passed on. Here events are parsed; the fast way is the
 * stream relay. Keeps one partial event and, per choice, whether a thought and an answer came.
 */

import { UnbusyError } from '../core/errors.ts';
import type { Dialect, FinishReason, GenerationEvent } from './generation.ts';
import { record } from './json-record.ts';
import type { WireRead } from './ports.ts';
import { GIVEN_UP_REASONS, SseScanner, type StreamMarks } from './sse-scanner.ts';
import { EventSplitter } from './sse-splitter.ts';
import { readLogprobs } from './wire-logprobs.ts';
import { usageFrom } from './wire-usage.ts';

export interface WireEvents {
  /** The events that one read completes. Throws `UnbusyError` for an error or malformed event. */
  push(read: WireRead): readonly GenerationEvent[];
  /** A whole JSON answer. Throws `UnbusyError` where it is none. */
  body(json: Uint8Array): readonly GenerationEvent[];
  /** The stream's marks: whether it was done, its finish reason, its model. */
  readonly marks: StreamMarks;
}

type Fields = Readonly<Record<string, unknown>>;

interface ChoiceState {
  thought: boolean;
  answer: boolean;
}

/** An event larger than this is an error, not a reason to hold more. */
const EVENT_BYTES_MAX = 16 * 1024 * 1024;

const FINISH_REASONS: Readonly<Record<string, FinishReason>> = {
  stop: 'stop',
  length: 'length',
  tool_calls: 'tool_calls',
  function_call: 'tool_calls',
  content_filter: 'content_filter',
};

export function createWireEvents(dialect: Dialect): WireEvents {
  const readObject = createObjectReader(dialect);
  const splitter = new EventSplitter();
  const scanner = new SseScanner();
  let held: Buffer[] = [];
  let heldBytes = 0;

  function hold(bytes: Uint8Array): void {
    held.push(Buffer.from(bytes));
    heldBytes += bytes.length;
    if (heldBytes > EVENT_BYTES_MAX) {
      throw failed(`one event is longer than ${EVENT_BYTES_MAX} bytes`);
    }
  }

  function readEvent(bytes: Buffer, events: GenerationEvent[]): void {
    const kind = scanner.readEvent(bytes, 0, bytes.length, splitter.eventLines);
    if (kind === 'error') throw failed(`the upstream sent an error: ${scanner.errorEvent}`);
    if (kind === 'malformed') throw failed('the upstream sent an event that is not JSON');
    if (kind !== 'chunk') return;
    const { data, dataStart, dataEnd } = scanner;
    readObject(JSON.parse(data.toString('utf8', dataStart, dataEnd)), 'delta', events);
  }

  return {
    push({ buffer, spans, spanCount }) {
      const events: GenerationEvent[] = [];
      for (let span = 0; span < spanCount; span += 1) {
        const end = spans[2 * span + 1] as number;
        let at = spans[2 * span] as number;
        while (at < end) {
          const eventEnd = splitter.next(buffer, at, end);
          hold(buffer.subarray(at, eventEnd < 0 ? end : eventEnd));
          if (eventEnd < 0) break;
          const whole = Buffer.concat(held);
          held = [];
          heldBytes = 0;
          readEvent(whole, events);
          at = eventEnd;
        }
      }
      return events;
    },
    body(json) {
      const events: GenerationEvent[] = [];
      const object = parse(json);
      if (!Array.isArray(object?.['choices'])) throw failed('its answer is no JSON completion');
      readObject(object, 'message', events);
      return events;
    },
    marks: scanner,
  };
}

type ReadObject = (object: unknown, part: 'delta' | 'message', events: GenerationEvent[]) => void;

/** Turns chunks or a whole completion into events; remembers per choice what has come. */
function createObjectReader(dialect: Dialect): ReadObject {
  const choices = new Map<number, ChoiceState>();

  function readObject(object: unknown, part: 'delta' | 'message', events: GenerationEvent[]): void {
    const fields = record(object) ?? {};
    const list = Array.isArray(fields['choices']) ? fields['choices'] : [];
    for (const one of list) readChoice(record(one) ?? {}, part, events);
    const usage = usageFrom(fields['usage']);
    if (usage !== undefined) events.push({ kind: 'usage', usage });
  }

  function readChoice(fields: Fields, part: 'delta' | 'message', events: GenerationEvent[]): void {
    const choice = typeof fields['index'] === 'number' ? fields['index'] : 0;
    const state = choices.get(choice) ?? { thought: false, answer: false };
    choices.set(choice, state);
    const content = (dialect === 'chat' ? record(fields[part]) : fields) ?? {};
    const thought = textOf(content['reasoning_content']) || textOf(content['reasoning']);
    const answer =
      dialect === 'chat'
        ? textOf(content['content']) || textOf(content['refusal'])
        : textOf(content['text']);
    const logprobs = readLogprobs(fields['logprobs'], dialect);
    // Log-probabilities belong to the answer where both came at once: the thought came first.
    if (thought !== '') {
      state.thought = true;
      const own = answer === '' ? logprobs : undefined;
      events.push({ kind: 'delta', choice, channel: 'reasoning', text: thought, logprobs: own });
    }
    if (answer !== '' || (thought === '' && logprobs !== undefined)) {
      state.answer ||= answer !== '';
      events.push({ kind: 'delta', choice, channel: 'answer', text: answer, logprobs });
    }
    const reason = fields['finish_reason'];
    if (typeof reason !== 'string') return;
    if (GIVEN_UP_REASONS.has(reason)) {
      const message = `the upstream gave the answer up (finish_reason ${JSON.stringify(reason)})`;
      throw new UnbusyError('upstream_failed', 'upstream_cut', message);
    }
    const cutInThought = reason === 'length' && state.thought && !state.answer;
    events.push({ kind: 'finish', choice, reason: FINISH_REASONS[reason] ?? 'stop', cutInThought });
  }

  return readObject;
}

function failed(message: string): UnbusyError {
  return new UnbusyError('upstream_failed', 'upstream_failed', message);
}

function parse(json: Uint8Array): Fields | undefined {
  try {
    return record(JSON.parse(Buffer.from(json).toString()));
  } catch {
    return undefined;
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
