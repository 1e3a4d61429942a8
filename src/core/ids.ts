/**
 * The ids that callers see. Random rather than counted, so that one cannot be guessed from another
 * and replicas need no agreement.
 */
import type { Random } from './random.ts';

/** Crockford's base 32 in lower case: no i, l, o, u to misread. */
const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';
const idLength = 24;
/** One random number holds 53 bits: ten characters of five. */
const charactersPerDraw = 10;

export interface Ids {
  /** `req_` and 24 characters, 120 bits. */
  request(): string;
  /** `chatcmpl-…`, as chat completions are named. */
  chatCompletion(): string;
  /** `cmpl-…`, as legacy completions are named. */
  completion(): string;
}

/** Ids drawn from `random`. */
export function createIds(random: Random): Ids {
  return {
    request: () => `req_${token(random)}`,
    chatCompletion: () => `chatcmpl-${token(random)}`,
    completion: () => `cmpl-${token(random)}`,
  };
}

function token(random: Random): string {
  let text = '';
  while (text.length < idLength) {
    let bits = Math.floor(random.next() * 32 ** charactersPerDraw);
    for (let i = 0; i < charactersPerDraw && text.length < idLength; i += 1) {
      text += alphabet[bits % 32];
      bits = Math.floor(bits / 32);
    }
  }
  return text;
}

/** At most 128 visible ASCII characters: safe in a header and in a log line. */
const sanePattern = /^[\x21-\x7e]{1,128}$/;

/** A caller's own `x-request-id` where it is safe to repeat; else undefined, and it gets one of ours. */
export function callerRequestId(
  header: string | readonly string[] | undefined,
): string | undefined {
  return typeof header === 'string' && sanePattern.test(header) ? header : undefined;
}
