/**
 * Holds back the beginning of an event stream until something in it commits the engine to an
 * answer: first content, or a finish reason. What comes before — a role, comments — proves nothing:
 * servers send it and then refuse (SGLang's `abort` when its queue is full, DeepSeek's keep-alives).
 * So a refusal after a 200 is still found before the caller has seen a byte. Bounded; after the
 * verdict it is not needed any more.
 */
import type { WireRead } from '../protocol/ports.ts';
import { GIVEN_UP_REASONS, SseScanner } from '../protocol/sse-scanner.ts';
import { EventSplitter } from '../protocol/sse-splitter.ts';

export type GateVerdict =
  | { readonly kind: 'undecided' }
  /** The answer has begun: pass `held` on, if any, and then the read itself. */
  | {
      readonly kind: 'open';
      readonly held: WireRead | undefined;
      readonly model: string | undefined;
      /** The thought is called `reasoning` in these bytes. */
      readonly namesReasoning: boolean;
    }
  | { readonly kind: 'error'; readonly data: Buffer }
  | { readonly kind: 'dropped'; readonly reason: string }
  | { readonly kind: 'malformed' }
  /** `[DONE]` without content and without a finish reason. */
  | { readonly kind: 'empty' };

/** More than ten minutes of keep-alives each second; what is longer passes unexamined. */
const HELD_BYTES_MAX = 65_536;
const UNDECIDED: GateVerdict = { kind: 'undecided' };

export class StreamGate {
  readonly #splitter = new EventSplitter();
  readonly #scanner = new SseScanner();
  /** All payload so far; events before `#scanned` have been looked at. */
  #held = Buffer.alloc(0);
  #scanned = 0;
  #namesReasoning = false;

  /** Looks at the next read. Not to be called again once it is decided. */
  push(read: WireRead): GateVerdict {
    const before = this.#held.length;
    this.#held = Buffer.concat([this.#held, ...payloadOf(read)]);
    let at = before;
    for (;;) {
      const end = this.#splitter.next(this.#held, at, this.#held.length);
      if (end < 0) break;
      const verdict = this.#look(this.#scanned, end, before);
      if (verdict !== UNDECIDED) return verdict;
      at = end;
      this.#scanned = end;
    }
    return this.#held.length > HELD_BYTES_MAX ? this.#open(before) : UNDECIDED;
  }

  #look(from: number, end: number, heldBefore: number): GateVerdict {
    const scanner = this.#scanner;
    switch (scanner.readEvent(this.#held, from, end, this.#splitter.eventLines)) {
      case 'chunk': {
        if (scanner.chunk.reasoningKeys.length > 0) this.#namesReasoning = true;
        const reason = scanner.chunk.finishReasons.find((one) => GIVEN_UP_REASONS.has(one));
        if (scanner.firstContent) return this.#open(heldBefore);
        if (reason !== undefined) return { kind: 'dropped', reason };
        return scanner.finishReason === undefined ? UNDECIDED : this.#open(heldBefore);
      }
      case 'error':
        return {
          kind: 'error',
          data: Buffer.from(scanner.data.subarray(scanner.dataStart, scanner.dataEnd)),
        };
      case 'malformed':
        return { kind: 'malformed' };
      case 'done':
        return { kind: 'empty' };
      default:
        return UNDECIDED;
    }
  }

  #open(heldBefore: number): GateVerdict {
    const held = heldBefore === 0 ? undefined : plainRead(this.#held.subarray(0, heldBefore));
    return {
      kind: 'open',
      held,
      model: this.#scanner.model,
      namesReasoning: this.#namesReasoning,
    };
  }
}

/** Payload that is not framed (any more), in the form of a read. */
export function plainRead(payload: Buffer): WireRead {
  return {
    buffer: payload,
    start: 0,
    end: payload.length,
    spans: Int32Array.of(0, payload.length),
    spanCount: 1,
    wholeChunks: false,
  };
}

/** The payload parts of a read, as views. */
export function payloadOf({ buffer, spans, spanCount }: WireRead): Buffer[] {
  return Array.from({ length: spanCount }, (_, span) =>
    buffer.subarray(spans[2 * span], spans[2 * span + 1]),
  );
}
