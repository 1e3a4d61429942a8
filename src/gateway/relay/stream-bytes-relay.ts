/**
 * Relays a stream as the upstream's own bytes (`raw`, or `patch` where a few values change).
 *
 * Bytes before the first content are kept back, so that an upstream which opens a stream and then
 * fails can be replaced; beyond `preambleBytesMax` they go out as they are.
 */
import { UnbusyError } from '../../core/errors.ts';
import type { CallerReply } from '../../protocol/caller.ts';
import type { GenerationRequest, Usage } from '../../protocol/generation.ts';
import type { UpstreamStart } from '../../protocol/ports.ts';
import type { WirePatch } from '../../protocol/wire-patch.ts';
import {
  type AnswerRelay,
  type AnswerRelayOptions,
  cutAnswer,
  cutInThought,
  noUsage,
} from './answer-relay.ts';
import { createStreamRelay } from './stream-relay.ts';

/** Far more than a role chunk and keep-alive comments need. */
const preambleBytesMax = 64 * 1024;

export function createStreamBytesRelay(options: AnswerRelayOptions): AnswerRelay {
  const { start, request, reply } = options;
  const patch = wirePatch(start, request, reply);
  const relay = createStreamRelay({
    patch,
    closingComment: () => options.closingComment(warning()),
    choices: request.inputs.length * request.choicesPerInput,
  });
  const { marks } = relay;
  let preamble: Uint8Array[] = [];
  let preambleBytes = 0;
  let delivered = false;

  function warning(): string | undefined {
    return marks.cutInThought ? cutInThought : undefined;
  }

  function usage(): Usage | undefined {
    if (marks.usage !== undefined || marks.contentEvents === 0) return marks.usage;
    // The upstream told none, or was cut: what was seen is counted instead.
    return { ...noUsage, completionTokens: marks.contentEvents };
  }

  function begin(): void {
    delivered = true;
    if (!reply.begun) reply.begin(options.head(request.model, warning()));
    for (const held of preamble) reply.bytes(held);
    preamble = [];
  }

  function send(bytes: Uint8Array): void {
    if (delivered) {
      reply.bytes(bytes);
      return;
    }
    preamble.push(bytes);
    preambleBytes += bytes.length;
    if (marks.firstContent || preambleBytes > preambleBytesMax) begin();
  }

  return {
    mode: patch === undefined ? 'raw' : 'patch',
    get delivered() {
      return delivered;
    },
    get tokensSeen() {
      return marks.contentEvents;
    },
    get usage() {
      return usage();
    },
    get warning() {
      return warning();
    },
    read(read) {
      const bytes = relay.push(read);
      if (bytes !== undefined) send(bytes);
      if (relay.fault === undefined) return;
      const { why } = relay.finish();
      throw new UnbusyError('upstream_failed', 'upstream_cut', why);
    },
    events() {
      throw new Error('an upstream that answers in bytes sent events');
    },
    end() {
      const { bytes, complete, why } = relay.finish();
      if (!complete) return cutAnswer(why);
      if (bytes !== undefined) send(bytes);
      if (!delivered) begin();
      reply.finish(options.head(request.model, warning()), { usage: usage() ?? noUsage });
      return { kind: 'complete' };
    },
  };
}

/** What must change in the upstream's bytes; undefined where nothing does. */
export function wirePatch(
  start: UpstreamStart,
  request: GenerationRequest,
  reply: CallerReply,
): WirePatch | undefined {
  const model = start.model !== undefined && start.model !== request.model;
  const patch: WirePatch = {
    ...(model ? { model: request.model } : {}),
    ...(start.renamesReasoning ? { renameReasoning: true } : {}),
    ...(reply.wantsUsage || !start.addsUsage ? {} : { dropUsage: true }),
  };
  return Object.keys(patch).length === 0 ? undefined : patch;
}
