/**
 * Relays a whole JSON body (`raw` or `patch`): kept until it is complete, checked, passed on.
 *
 * Nothing has been delivered before the end, so an attempt that fails anywhere can be repeated.
 */
import { UnbusyError } from '../../core/errors.ts';
import type { Usage } from '../../protocol/generation.ts';
import type { WireRead } from '../../protocol/ports.ts';
import { ChunkScan } from '../../protocol/wire-chunk.ts';
import { patchJsonBody, type WirePatch } from '../../protocol/wire-patch.ts';
import { usageFrom } from '../../protocol/wire-usage.ts';
import {
  type AnswerRelay,
  type AnswerRelayOptions,
  cutAnswer,
  cutInThought,
  noUsage,
  type RelayEnd,
  wirePatch,
} from './answer-relay.ts';

/** An answer of R1's longest output is under 1 MiB; with all logprobs it is some hundred times that. */
const bodyBytesMax = 256 * 1024 * 1024;

export class JsonRelay implements AnswerRelay {
  readonly mode: 'raw' | 'patch';
  delivered = false;
  tokensSeen = 0;
  usage: Usage | undefined;
  warning: string | undefined;
  readonly #options: AnswerRelayOptions;
  readonly #patch: WirePatch | undefined;
  readonly #parts: Buffer[] = [];
  #bytes = 0;

  constructor(options: AnswerRelayOptions) {
    this.#options = options;
    this.#patch = wirePatch(options);
    this.mode = this.#patch === undefined ? 'raw' : 'patch';
  }

  read({ buffer, spans, spanCount }: WireRead): void {
    for (let span = 0; span < spanCount; span += 1) {
      const part = Buffer.from(buffer.subarray(spans[2 * span], spans[2 * span + 1]));
      this.#bytes += part.length;
      this.#parts.push(part);
    }
    if (this.#bytes <= bodyBytesMax) return;
    const message = `the upstream's answer is larger than ${bodyBytesMax} bytes`;
    throw new UnbusyError('upstream_failed', 'upstream_failed', message);
  }

  events(): void {
    throw new Error('an upstream that answers in bytes sent events');
  }

  end(): RelayEnd {
    const { request, reply, head } = this.#options;
    const [first] = this.#parts;
    const body =
      this.#parts.length === 1 && first !== undefined ? first : Buffer.concat(this.#parts);
    const scan = new ChunkScan();
    if (!scan.scan(body, 0, body.length)) return cutAnswer('its body is not one JSON object');
    const choices = request.inputs.length * request.choicesPerInput;
    if (scan.finished.length < choices) {
      return cutAnswer(`${scan.finished.length} of ${choices} choices have a finish reason`);
    }
    this.usage = usageOf(body, scan) ?? noUsage;
    this.tokensSeen = this.usage.completionTokens;
    const limited = scan.finishReasons.includes('length');
    if (limited && scan.hasReasoning && !scan.hasAnswer) this.warning = cutInThought;
    this.delivered = true;
    const json = this.#patch === undefined ? body : patchJsonBody(body, this.#patch);
    reply.body(head(request.model, this.warning), json);
    return { kind: 'complete' };
  }
}

function usageOf(body: Buffer, scan: ChunkScan): Usage | undefined {
  if (scan.usageStart < 0) return undefined;
  return usageFrom(JSON.parse(body.toString('utf8', scan.usageStart, scan.usageEnd)));
}
