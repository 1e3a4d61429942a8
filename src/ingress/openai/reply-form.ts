/** The wire form of a reply, as far as the request path may know it. */
import type { WireIdentity } from '../../protocol/caller.ts';
import type { Dialect, GenerationRequest } from '../../protocol/generation.ts';

export interface ReplyForm {
  /** Absent: upstream bytes cannot be passed on. */
  readonly dialect: Dialect | undefined;
  readonly identity: WireIdentity | undefined;
}

/** The dialect whose bytes may be relayed; a thought to be moved or left out has to be parsed. */
export function relayableDialect(
  dialect: Dialect,
  { reasoning }: GenerationRequest,
): Dialect | undefined {
  return reasoning.placement === 'separate' && reasoning.include !== false ? dialect : undefined;
}
