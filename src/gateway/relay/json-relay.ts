/**
 * Relays a whole JSON body (`raw` or `patch`): kept until it is complete, checked, passed on.
 *
 * Nothing has been delivered before the end, so an attempt that fails anywhere can be repeated.
 */
import { UnbusyError } from '../../core/errors.ts';
import type { Usage } from '../../protocol/generation.ts';
import { ChunkScan } from '../../protocol/wire-chunk.ts';
import { patchJsonBody } from '../../protocol/wire-patch.ts';
import { usageFrom } from '../../protocol/wire-usage.ts';
import {
  type AnswerRelay,
  type AnswerRelayOptions,
  cutAnswer,
  cutInThought,
  noUsage,
} from './answer-relay.ts';
import { wirePatch } from './stream-bytes-relay.ts';

/** An answer of R1's longest output is under 1 MiB; with all logprobs it is some hundred times that. */
const bodyBytesMax = 256 * 1024 * 1024;

export function createJsonRelay(options: AnswerRelayOptions): AnswerRelay {
  const { start, request, reply } = options;
  const patch = wirePatch(start, request, reply);
  const parts: Buffer[] = [];
  let bytes = 0;
  let delivered = false;
  let usage: Usage | undefined;
  let warning: string | undefined;

  return {
    mode: patch === undefined ? 'raw' : 'patch',
    get delivered() {
      return delivered;
    },
    get tokensSeen() {
      return usage?.completionTokens ?? 0;
    },
    get usage() {
      return usage;
    },
    get warning() {
      return warning;
    },
    read({ buffer, spans, spanCount }) {
      for (let span = 0; span < spanCount; span += 1) {
        const part = Buffer.from(buffer.subarray(spans[2 * span], spans[2 * span + 1]));
        bytes += part.length;
        parts.push(part);
      }
      if (bytes <= bodyBytesMax) return;
      const message = `the upstream's answer is larger than ${bodyBytesMax} bytes`;
      throw new UnbusyError('upstream_failed', 'upstream_failed', message);
    },
    events() {
      throw new Error('an upstream that answers in bytes sent events');
    },
    end() {
      const body = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
      const scan = new ChunkScan();
      if (!scan.scan(body, 0, body.length)) return cutAnswer('its body is not one JSON object');
      const choices = request.inputs.length * request.choicesPerInput;
      if (scan.finished.length < choices) {
        return cutAnswer(`${scan.finished.length} of ${choices} choices have a finish reason`);
      }
      if (scan.usageStart >= 0) {
        usage = usageFrom(JSON.parse(body.toString('utf8', scan.usageStart, scan.usageEnd)));
      }
      usage ??= noUsage;
      const limited = scan.finishReasons.includes('length');
      if (limited && scan.hasReasoning && !scan.hasAnswer) warning = cutInThought;
      delivered = true;
      const json = patch === undefined ? body : patchJsonBody(body, patch);
      reply.body(options.head(request.model, warning), json);
      return { kind: 'complete' };
    },
  };
}
