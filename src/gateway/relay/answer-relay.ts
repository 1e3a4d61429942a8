/**
 * What every way of relaying an answer has in common (`choose-relay.ts` says which there are).
 *
 * Whatever the mode, nothing of an answer reaches the caller before there is content in it, and
 * what was delivered is known. One object per answer, hence classes: an object literal with getters
 * gets a hidden class of its own, which keeps the whole answer alive until a full collection.
 */
import { UnbusyError } from '../../core/errors.ts';
import type { CallerReply, ReplyHead } from '../../protocol/caller.ts';
import type { GenerationEvent, GenerationRequest, Usage } from '../../protocol/generation.ts';
import type { UpstreamEnd, UpstreamStart, WireRead } from '../../protocol/ports.ts';
import type { RelayMode } from '../../protocol/telemetry.ts';
import type { WirePatch } from '../../protocol/wire-patch.ts';

export interface AnswerRelay {
  readonly mode: RelayMode;
  /** Something of the answer has been handed to the caller. */
  readonly delivered: boolean;
  /** Tokens of content that have come, as near as their form tells: parts of the answer. */
  readonly tokensSeen: number;
  readonly usage: Usage | undefined;
  readonly warning: string | undefined;
  read(read: WireRead): void;
  events(events: readonly GenerationEvent[]): void;
  /** Ends the reply if the answer is complete; otherwise leaves it open and says what is missing. */
  end(end: UpstreamEnd): RelayEnd;
}

export type RelayEnd =
  | { readonly kind: 'complete' }
  | { readonly kind: 'cut'; readonly error: UnbusyError };

export interface AnswerRelayOptions {
  readonly start: UpstreamStart;
  readonly request: GenerationRequest;
  readonly reply: CallerReply;
  readonly head: (model: string, warning: string | undefined) => ReplyHead;
  readonly closingComment: (warning: string | undefined) => string | undefined;
}

/** Counts where none are known. */
export const noUsage: Usage = {
  promptTokens: 0,
  completionTokens: 0,
  reasoningTokens: 0,
  cachedTokens: 0,
};

/** The warning for a limit that ended the answer inside its thought (B11). */
export const cutInThought = 'cut-in-thought';

/** What must change in the upstream's bytes; undefined where nothing does. */
export function wirePatch({ start, request, reply }: AnswerRelayOptions): WirePatch | undefined {
  const renamed = start.model !== undefined && start.model !== request.model;
  const patch: WirePatch = {
    ...(renamed ? { model: request.model } : {}),
    ...(start.renamesReasoning ? { renameReasoning: true } : {}),
    ...(start.addsUsage && !reply.wantsUsage ? { dropUsage: true } : {}),
  };
  return Object.keys(patch).length === 0 ? undefined : patch;
}

/** The upstream ended its answer without saying that it was complete. */
export function cutAnswer(why: string): RelayEnd {
  const message = `the upstream ended its answer before it was complete: ${why}`;
  return { kind: 'cut', error: new UnbusyError('upstream_failed', 'upstream_cut', message) };
}
