/** Answers with an error in OpenAI's form, before anything else has been sent. */
import type { UnbusyError } from '../../core/errors.ts';
import type { Random } from '../../core/random.ts';
import { encodeError } from '../../protocol/openai/error-body.ts';
import type { CallerStream, Headers } from '../http/caller-stream.ts';
import { openAiTypeOf, retryHeaders, statusOf } from '../wire-errors.ts';

export type RefuseOpenAi = (stream: CallerStream, error: UnbusyError, headers: Headers) => void;

/** `random` spreads the times at which callers are told to come back. */
export function createRefuse(random: Random): RefuseOpenAi {
  return (stream, error, headers) => {
    const challenge: Record<string, string> =
      error.kind === 'unauthenticated' ? { 'www-authenticate': 'Bearer' } : {};
    stream.send(
      statusOf(error),
      {
        ...headers,
        ...challenge,
        ...retryHeaders(error, random),
        'content-type': 'application/json',
      },
      encodeError(error, openAiTypeOf(error)),
    );
  };
}
