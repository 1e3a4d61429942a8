/** Log probabilities as callers see them, from raw logits. */
import type { TokenLogprob } from '../protocol/generation.ts';
import type { RawLogits } from './native.ts';
import type { TokenText } from './token-text.ts';

/**
 * The chosen token and its `top` alternatives. A token's natural log probability in the raw
 * distribution is its logit − highest logit − ln Σ exp(logit − highest logit).
 */
export function tokenLogprob(
  raw: RawLogits | undefined,
  token: number,
  top: number,
  text: TokenText,
): TokenLogprob {
  const { logits } = raw ?? { logits: [] };
  const base = (logits[1] ?? 0) + Math.log(raw?.weight ?? 1);
  let logprob: number | null = null;
  const alternatives: TokenLogprob['top'][number][] = [];
  for (let at = 0; at + 1 < logits.length; at += 2) {
    const id = logits[at] ?? 0;
    const value = (logits[at + 1] ?? 0) - base;
    if (id === token) logprob = value;
    if (alternatives.length < top) alternatives.push({ ...spell(id, text), logprob: value });
  }
  return { ...spell(token, text), tokenId: token, logprob, top: alternatives };
}

const decoder = new TextDecoder();

function spell(token: number, text: TokenText): { token: string; bytes: number[] } {
  const bytes = text.bytesOf(token);
  return { token: decoder.decode(bytes), bytes: [...bytes] };
}
