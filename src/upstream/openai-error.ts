/**
 * What an upstream's refusal means for the attempt: whose fault it is and what had begun.
 *
 * The judgement follows status codes and error codes, never the wording of messages. Bodies come in
 * many forms (facts per engine are in the tests): nested as OpenAI's, flat (SGLang, older vLLM), a
 * bare string (TGI, Triton), FastAPI's `detail`, SiliconFlow's and Qianfan's own, HTML from a proxy.
 */

import { assertNever, UnbusyError } from '../core/errors.ts';
import { record } from '../protocol/json-record.ts';
import type { FailureStage, UpstreamError } from '../protocol/ports.ts';
import type { HttpFailure } from './http1/http-exchange.ts';

export interface ErrorBody {
  readonly message: string;
  readonly param?: string | undefined;
  readonly type?: string | undefined;
  readonly code?: string | number | undefined;
}

const MESSAGE_CHARS_MAX = 1000;

/** An answer whose status is not 2xx. `nowMs` is for `Retry-After` given as a date. */
export function errorFromStatus(
  endpoint: string,
  status: number,
  headers: ReadonlyMap<string, string>,
  body: Buffer,
  nowMs: number,
): UpstreamError {
  const said = `endpoint ${endpoint} answered ${status}`;
  return judge(said, status, readErrorBody(body), retryAfterMs(headers, nowMs));
}

/** An error object where a completion should be: in a 200 body or in a stream's event. */
export function errorFromObject(endpoint: string, body: Buffer): UpstreamError {
  const read = readErrorBody(body);
  const code = Number(read.code);
  const status = code >= 400 && code < 600 ? code : 500;
  return judge(`endpoint ${endpoint} sent an error`, status, read, undefined);
}

/** The connection or the protocol failed. `stage` is how far the answer had come. */
export function errorFromFailure(
  endpoint: string,
  failure: HttpFailure,
  stage: 'started' | 'streaming',
): UpstreamError {
  const { kind, message, cause } = failure;
  const failed = (code: string, at: FailureStage): UpstreamError => ({
    stage: at,
    error: new UnbusyError('upstream_failed', code, `endpoint ${endpoint}: ${message}`, { cause }),
    callerFault: false,
  });
  switch (kind) {
    case 'unreachable':
    case 'reset':
    case 'closed':
      return unavailable('upstream_unavailable', endpoint, failure);
    case 'connect_timeout':
      return unavailable('upstream_timeout_connect', endpoint, failure);
    case 'first_byte_timeout':
      return failed('upstream_timeout_first_token', stage);
    case 'idle_timeout':
      return failed('upstream_timeout_idle', stage);
    case 'truncated':
      return failed('upstream_cut', stage);
    case 'protocol':
      return failed('upstream_failed', stage);
    default:
      return assertNever(kind);
  }
}

/** The engine dropped the request before it generated anything: asking again costs nothing. */
export function droppedError(endpoint: string, reason: string): UpstreamError {
  return busy(`endpoint ${endpoint} dropped the request (finish_reason ${reason})`, undefined);
}

/** An answer that is not what was asked for. */
export function badAnswer(
  endpoint: string,
  what: string,
  stage: FailureStage = 'started',
): UpstreamError {
  const error = new UnbusyError(
    'upstream_failed',
    'upstream_failed',
    `endpoint ${endpoint} answered with ${what}`,
  );
  return { stage, error, callerFault: false };
}

/** The stream or body ended before the answer was complete. */
export function cutError(endpoint: string, stage: FailureStage): UpstreamError {
  const error = new UnbusyError(
    'upstream_failed',
    'upstream_cut',
    `endpoint ${endpoint} ended its answer before it was complete`,
  );
  return { stage, error, callerFault: false };
}

function judge(
  said: string,
  status: number,
  body: ErrorBody,
  retryMs: number | undefined,
): UpstreamError {
  switch (status) {
    case 400:
    case 422:
      return callerFault('invalid_request', requestCode(body), body);
    case 413:
      return callerFault('too_large', 'too_large', body);
    case 401:
    case 402:
    case 403:
    case 407:
      // The text is left out: some servers repeat part of the key in it.
      return misconfigured(`${said}: the endpoint's key or account is not accepted`);
    case 408:
    case 429:
    case 503:
    case 529:
      return busy(`${said}: ${body.message}`, retryMs);
    default:
      if (status < 500 && status !== 424) return misconfigured(`${said}: ${body.message}`);
      return {
        stage: 'started',
        error: new UnbusyError('upstream_failed', 'upstream_failed', `${said}: ${body.message}`),
        callerFault: false,
      };
  }
}

/** OpenAI's code and llama-server's type for a prompt that does not fit. */
function requestCode({ code, type }: ErrorBody): string {
  const tooLong = code === 'context_length_exceeded' || type === 'exceed_context_size_error';
  return tooLong ? 'context_length_exceeded' : 'invalid_request';
}

function callerFault(
  kind: 'invalid_request' | 'too_large',
  code: string,
  { message, param }: ErrorBody,
): UpstreamError {
  const error = new UnbusyError(kind, code, message, { param, retryable: false });
  return { stage: 'not_placed', error, callerFault: true };
}

/** Asking this endpoint again cannot help before its operator has changed something. */
function misconfigured(message: string): UpstreamError {
  const error = new UnbusyError('upstream_failed', 'upstream_failed', message, {
    retryable: false,
  });
  return { stage: 'not_placed', error, callerFault: false };
}

function busy(message: string, retryMs: number | undefined): UpstreamError {
  const error = new UnbusyError('overloaded', 'upstream_busy', message, { retryAfterMs: retryMs });
  return { stage: 'not_placed', error, callerFault: false };
}

function unavailable(code: string, endpoint: string, failure: HttpFailure): UpstreamError {
  const message = `endpoint ${endpoint}: ${failure.message}`;
  const error = new UnbusyError('upstream_unavailable', code, message, { cause: failure.cause });
  return { stage: 'not_placed', error, callerFault: false };
}

/** `retry-after-ms`, or `Retry-After` in seconds or as a date (RFC 9110 §10.2.3). */
export function retryAfterMs(
  headers: ReadonlyMap<string, string>,
  nowMs: number,
): number | undefined {
  const ms = headers.get('retry-after-ms');
  if (ms !== undefined && /^\d+(\.\d+)?$/.test(ms)) return Number(ms);
  const value = headers.get('retry-after');
  if (value === undefined) return undefined;
  if (/^\d+(\.\d+)?$/.test(value)) return Number(value) * 1000;
  // Date.parse takes almost anything for a date; one in HTTP begins with the day's name.
  const date = /^[A-Za-z]{3,9},? /.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}

/** Finds the message in whatever form an error body has. */
export function readErrorBody(body: Buffer): ErrorBody {
  const text = body.toString().trim();
  const value = parse(text);
  if (typeof value === 'string') return { message: shorten(value) };
  const fields = record(value);
  if (fields === undefined) return { message: describeText(text) };
  const inner = fields['error'];
  if (typeof inner === 'string')
    return { message: shorten(inner), type: str(fields['error_type']) };
  const error = record(inner) ?? fields;
  return {
    message: shorten(messageOf(error) ?? JSON.stringify(value)),
    param: str(error['param']),
    type: str(error['type']),
    code: codeOf(error['code'] ?? error['error_code']),
  };
}

/** `detail` is FastAPI's: text, or a list of what was wrong where. */
function messageOf(error: Readonly<Record<string, unknown>>): string | undefined {
  const detail = error['detail'];
  if (Array.isArray(detail)) {
    return detail.map((one) => str(record(one)?.['msg']) ?? JSON.stringify(one)).join('; ');
  }
  return str(error['message']) ?? str(error['error_msg']) ?? str(detail);
}

function describeText(text: string): string {
  if (text === '') return 'no message';
  const title = /<title[^>]*>([^<]*)<\/title>/i.exec(text)?.[1]?.trim();
  if (title !== undefined) return `an HTML page, "${shorten(title)}"`;
  return text.startsWith('<') ? 'an HTML page' : shorten(text);
}

function shorten(text: string): string {
  return text.length <= MESSAGE_CHARS_MAX ? text : `${text.slice(0, MESSAGE_CHARS_MAX)}…`;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function str(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function codeOf(value: unknown): string | number | undefined {
  return typeof value === 'string' || typeof value === 'number' ? value : undefined;
}
