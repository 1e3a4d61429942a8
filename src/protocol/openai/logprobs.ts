/**
 * Token log-probabilities in OpenAI's two forms: a list of objects in chat, parallel arrays in
 * legacy completions.
 */
import type { TokenLogprob } from '../generation.ts';

/** OpenAI's number for "very unlikely"; JSON has no infinity. */
const unlikely = -9999;

function finite(logprob: number): number {
  return Number.isFinite(logprob) ? logprob : unlikely;
}

/** The value of a chat choice's `logprobs`, as JSON. */
export function encodeChatLogprobs(tokens: readonly TokenLogprob[]): string {
  const content = tokens.map(({ token, logprob, bytes, top }) => ({
    token,
    logprob: finite(logprob ?? 0),
    bytes,
    top_logprobs: top.map((other) => ({
      token: other.token,
      logprob: finite(other.logprob),
      bytes: other.bytes,
    })),
  }));
  return JSON.stringify({ content, refusal: null });
}

/**
 * The value of a completion choice's `logprobs`, as JSON. Offsets are in code points, as clients in
 * Python count; `firstOffset` is where the first token's text begins.
 */
export function encodeCompletionLogprobs(
  tokens: readonly TokenLogprob[],
  firstOffset: number,
): string {
  let offset = firstOffset;
  const offsets = tokens.map(({ token }) => {
    const at = offset;
    offset += codePoints(token);
    return at;
  });
  return JSON.stringify({
    tokens: tokens.map(({ token }) => token),
    token_logprobs: tokens.map(({ logprob }) => (logprob === null ? null : finite(logprob))),
    top_logprobs: tokens.map(topOf),
    text_offset: offsets,
  });
}

/** The chosen token is always among them; null where the first prompt token has no probability. */
function topOf({ token, logprob, top }: TokenLogprob): Record<string, number> | null {
  if (logprob === null) return null;
  const byToken: Record<string, number> = {};
  for (const other of top) byToken[other.token] ??= finite(other.logprob);
  byToken[token] ??= finite(logprob);
  return byToken;
}

/** Characters as Python counts them. */
export function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}
