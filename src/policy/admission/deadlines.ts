/**
 * What a caller says about its own request: how urgent it is, until when it wants the first token,
 * and which conversation it belongs to.
 *
 * Our headers win over what SDKs and OpenAI's fields say, and those over the tenant's defaults. A
 * tenant's class is also its ceiling: a caller may ask for a lower one, and asking for a higher one
 * gets the ceiling, told in `askedFor`. Pure.
 */
import { UnbusyError } from '../../core/errors.ts';
import { isRequestClass, type RequestClass, requestClasses } from '../scheduling/request-class.ts';

export interface CallerWishes {
  readonly requestClass: RequestClass;
  /** The class asked for where it was above the tenant's. */
  readonly askedFor?: RequestClass | undefined;
  /** From arrival to the first token, ms. */
  readonly deadlineMs: number;
  /** Requests of one session like the same engine. */
  readonly session?: string | undefined;
}

export interface WishesInput {
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** The request's JSON body, where it has OpenAI's shape. */
  readonly body?: Readonly<Record<string, unknown>> | undefined;
  readonly tenantClass: RequestClass;
}

/** Time to first token that a class is ready to wait when the caller names none, ms. */
export const classDeadlineMs: Readonly<Record<RequestClass, number>> = {
  interactive: 60_000,
  standard: 600_000,
  batch: 86_400_000,
};

/** A deadline further away than a week is a mistake in its unit. */
const deadlineMaxMs = 7 * 86_400_000;
const sessionLengthMax = 256;

/**
 * OpenAI's `service_tier` in our classes. `auto` and `default` leave the tenant's own class; `scale`
 * and `priority` pay for speed; `flex` trades speed for price as our batch class does.
 */
const classOfTier: Readonly<Record<string, RequestClass | 'tenant'>> = {
  auto: 'tenant',
  default: 'tenant',
  priority: 'interactive',
  scale: 'interactive',
  flex: 'batch',
  interactive: 'interactive',
  standard: 'standard',
  batch: 'batch',
};

/** Throws `UnbusyError` invalid_request that names the header or field at fault. */
export function readCallerWishes(input: WishesInput): CallerWishes {
  const wanted = readClass(input) ?? input.tenantClass;
  const tooHigh = requestClasses.indexOf(wanted) < requestClasses.indexOf(input.tenantClass);
  const requestClass = tooHigh ? input.tenantClass : wanted;
  return {
    requestClass,
    askedFor: tooHigh ? wanted : undefined,
    deadlineMs: readDeadlineMs(input) ?? classDeadlineMs[requestClass],
    session: readSession(input),
  };
}

function readClass(input: WishesInput): RequestClass | undefined {
  const header = readHeader(input, 'x-unbusy-class');
  if (header !== undefined) {
    if (isRequestClass(header)) return header;
    throw invalid('x-unbusy-class', header, `one of ${requestClasses.join(', ')}`);
  }
  const tier = input.body?.['service_tier'];
  if (tier === undefined || tier === null) return undefined;
  const named = typeof tier === 'string' && Object.hasOwn(classOfTier, tier) && classOfTier[tier];
  if (!named) throw invalid('service_tier', tier, `one of ${Object.keys(classOfTier).join(', ')}`);
  return named === 'tenant' ? undefined : named;
}

function readDeadlineMs(input: WishesInput): number | undefined {
  const own = readHeader(input, 'x-unbusy-deadline-ms');
  if (own !== undefined) {
    const ms = parseNumber(own);
    if (ms !== undefined && ms >= 1 && ms <= deadlineMaxMs) return ms;
    throw invalid('x-unbusy-deadline-ms', own, `milliseconds from 1 to ${deadlineMaxMs}`);
  }
  // The SDK's own time-out in seconds, cut to whole ones: 0 stands for anything under a second.
  const sdk = readHeader(input, 'x-stainless-timeout');
  if (sdk === undefined) return undefined;
  const seconds = parseNumber(sdk);
  if (seconds === undefined) throw invalid('x-stainless-timeout', sdk, 'a number of seconds');
  return Math.min(Math.max(seconds, 1) * 1_000, deadlineMaxMs);
}

function readSession(input: WishesInput): string | undefined {
  const header = readHeader(input, 'x-unbusy-session');
  const [name, value] =
    header === undefined
      ? (['prompt_cache_key', input.body?.['prompt_cache_key']] as const)
      : (['x-unbusy-session', header] as const);
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value === 'string' && value.length <= sessionLengthMax) return value;
  throw invalid(name, value, `a string of at most ${sessionLengthMax} characters`);
}

function readHeader(input: WishesInput, name: string): string | undefined {
  const value = input.headers[name];
  if (value === undefined || typeof value === 'string') return value?.trim();
  throw invalid(name, value.join(', '), 'sent once');
}

/** Digits and an optional fraction; no sign, exponent or hexadecimal. */
function parseNumber(text: string): number | undefined {
  return /^\d{1,15}(\.\d{1,15})?$/.test(text) ? Number(text) : undefined;
}

function invalid(param: string, found: unknown, allowed: string): UnbusyError {
  const shown = (typeof found === 'string' ? found : JSON.stringify(found)).slice(0, 64);
  return new UnbusyError(
    'invalid_request',
    'invalid_request',
    `${param} is "${shown}" but must be ${allowed}`,
    { param, retryable: false },
  );
}
