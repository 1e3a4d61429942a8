/**
 * Token log-probabilities in the two forms of OpenAI's API, read into ours. An id that the upstream
 * does not tell is −1; bytes that it leaves out are those of the token's text.
 */

import type { Dialect, TokenLogprob } from './generation.ts';
import { record } from './json-record.ts';

type Fields = Readonly<Record<string, unknown>>;

/** A choice's `logprobs`; undefined where there are none. */
export function readLogprobs(
  value: unknown,
  dialect: Dialect,
): readonly TokenLogprob[] | undefined {
  const fields = record(value);
  if (fields === undefined) return undefined;
  // Newer completions APIs (llama-server) give the chat form there too.
  const content = fields['content'];
  if (Array.isArray(content)) return content.map((token) => chatLogprob(record(token) ?? {}));
  return dialect === 'completion' ? completionLogprobs(fields) : undefined;
}

function chatLogprob(fields: Fields): TokenLogprob {
  const token = textOf(fields['token']);
  const top = Array.isArray(fields['top_logprobs']) ? fields['top_logprobs'] : [];
  return {
    token,
    tokenId: typeof fields['id'] === 'number' ? fields['id'] : -1,
    bytes: bytesOf(fields['bytes'], token),
    logprob: numberOf(fields['logprob']),
    top: top.map((one) => {
      const other = record(one) ?? {};
      const text = textOf(other['token']);
      return {
        token: text,
        bytes: bytesOf(other['bytes'], text),
        logprob: numberOf(other['logprob']) ?? 0,
      };
    }),
  };
}

function completionLogprobs(fields: Fields): readonly TokenLogprob[] | undefined {
  const { tokens, token_logprobs: logprobs, top_logprobs: tops } = fields;
  if (!Array.isArray(tokens)) return undefined;
  return tokens.map((value: unknown, index) => {
    const token = textOf(value);
    const top = record(Array.isArray(tops) ? tops[index] : undefined) ?? {};
    return {
      token,
      tokenId: -1,
      bytes: bytesOf(undefined, token),
      logprob: numberOf(Array.isArray(logprobs) ? logprobs[index] : undefined),
      top: Object.entries(top).map(([text, logprob]) => ({
        token: text,
        bytes: bytesOf(undefined, text),
        logprob: numberOf(logprob) ?? 0,
      })),
    };
  });
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function numberOf(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}

function bytesOf(value: unknown, token: string): readonly number[] {
  return Array.isArray(value)
    ? value.filter((one) => typeof one === 'number')
    : [...Buffer.from(token)];
}
