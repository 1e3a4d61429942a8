/**
 * Callers who were refused with a time and come back: they keep their place (D3).
 *
 * A refusal leaves a note of who asked for what and when. The same request coming back is ordered as
 * if it had waited all along, and its arrival counts from the first time. Notes are few and short:
 * a digest and a time each.
 */
import type { GenerationRequest } from '../protocol/generation.ts';
import type { Clock } from '../protocol/ports.ts';
import { requestDigest } from './request-digest.ts';

export interface ReturningCallers {
  /** When this caller first asked for this, if it was refused lately; ms since the epoch. */
  firstAskedAtMs(flow: string, request: GenerationRequest): number | undefined;
  /** It was refused and told to come back after `retryAfterMs`. */
  refused(refusal: Refusal): void;
  /** It has been let in: the place is used up. */
  admitted(flow: string, request: GenerationRequest): void;
}

export interface Refusal {
  readonly flow: string;
  readonly request: GenerationRequest;
  readonly firstAskedAtMs: number;
  readonly retryAfterMs: number;
}

/** Notes kept; the oldest goes first. */
const notesMax = 10_000;
/** How much later than told a caller may come back and still find its place, ms. */
const latenessMs = 60_000;

interface Note {
  readonly firstAskedAtMs: number;
  readonly untilMs: number;
}

export function createReturningCallers(clock: Clock): ReturningCallers {
  const notes = new Map<string, Note>();
  return {
    firstAskedAtMs(flow, request) {
      if (notes.size === 0) return undefined;
      const note = notes.get(keyOf(flow, request));
      return note === undefined || note.untilMs < clock.now() ? undefined : note.firstAskedAtMs;
    },
    refused({ flow, request, firstAskedAtMs, retryAfterMs }) {
      const key = keyOf(flow, request);
      notes.delete(key);
      notes.set(key, { firstAskedAtMs, untilMs: clock.now() + retryAfterMs + latenessMs });
      if (notes.size > notesMax) notes.delete(notes.keys().next().value ?? '');
    },
    admitted(flow, request) {
      if (notes.size > 0) notes.delete(keyOf(flow, request));
    },
  };
}

function keyOf(flow: string, request: GenerationRequest): string {
  return `${flow}\n${requestDigest(request)}`;
}
