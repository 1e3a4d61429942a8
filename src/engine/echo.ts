/** The prompt repeated before the answer (`echo` of legacy completions), with its log probabilities. */
import type { GenerationEvent, TokenLogprob } from '../protocol/generation.ts';
import type { LoadedModel } from './loaded-model.ts';
import type { PreparedPrompt } from './prompt.ts';

/**
 * The event that repeats `prompt` in `choice`. `logprobs[i]` belongs to prompt token i; the first
 * token has none, because nothing stands before it. A BOS that we put there is not shown.
 */
export function echoEvent(
  model: LoadedModel,
  prompt: PreparedPrompt,
  choice: number,
  logprobs: readonly (TokenLogprob | undefined)[] | undefined,
): GenerationEvent {
  const hidden = prompt.tokens[0] === model.native.bosToken ? 1 : 0;
  const shown = prompt.tokens.subarray(hidden);
  const text = Buffer.concat([...shown].map((token) => model.text.bytesOf(token))).toString();
  const event = { kind: 'delta', choice, channel: 'answer', text } as const;
  if (logprobs === undefined) return event;
  const entries = [...shown].flatMap((_, at) => logprobs[at + hidden] ?? []);
  const [first, ...rest] = entries;
  if (first === undefined) return event;
  return { ...event, logprobs: [{ ...first, logprob: null, top: [] }, ...rest] };
}
