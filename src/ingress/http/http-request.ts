/**
 * One HTTP request from its head to its handler: named, routed, read whole, handed over.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { toUnbusyError, UnbusyError } from '../../core/errors.ts';
import { callerRequestId } from '../../core/ids.ts';
import type { Clock } from '../../protocol/ports.ts';
import { CallerStream } from './caller-stream.ts';
import { readBody } from './read-body.ts';
import type { RouteMatch, RouteTable } from './route-table.ts';

/** One inbound request, read whole. */
export interface HttpRequest {
  readonly id: string;
  /** As in the route table: `POST /v1/chat/completions`. */
  readonly route: string;
  readonly path: string;
  /** What stands after `?`, undecoded; empty where nothing does. */
  readonly query: string;
  readonly params: Readonly<Record<string, string>>;
  /** Names in lower case. */
  readonly headers: IncomingMessage['headers'];
  readonly remoteAddress: string;
  /** When the head had come. */
  readonly receivedAtMs: number;
  /** Valid UTF-8; empty where there was none. */
  readonly body: Buffer;
  readonly stream: CallerStream;
}

/** Answers on `request.stream`, now or later. What it throws before that is refused as an error. */
export type HttpHandler = (request: HttpRequest) => void | Promise<void>;

/** Answers with an error in the form of the protocol that `path` belongs to. */
export type Refuse = (
  stream: CallerStream,
  error: UnbusyError,
  path: string,
  headers: Readonly<Record<string, string>>,
) => void;

export interface AnswerOptions {
  readonly routes: RouteTable<HttpHandler>;
  readonly clock: Clock;
  readonly newRequestId: () => string;
  readonly bodyBytesMax: number;
  readonly callerStallMs: number;
  /** Whether connections may serve further requests now. */
  readonly mayKeepAlive: () => boolean;
  readonly refuse: Refuse;
  /** A handler broke; the caller has been answered or cut off. */
  readonly onFault: (fault: { readonly route: string; readonly error: UnbusyError }) => void;
}

/**
 * Answers one request whose head has come; `response` must have its socket. `expects`: the caller
 * waits for `100 Continue` before it sends the body.
 */
export function answerRequest(
  request: IncomingMessage,
  response: ServerResponse,
  expects: boolean,
  options: AnswerOptions,
): void {
  const arrival = arrive(request, response, options);
  arrival.closing = expects;
  const match = options.routes.find(request.method ?? '', arrival.path);
  dispatch(arrival, match, options, () => {
    arrival.closing = false;
    if (expects) response.writeContinue();
  });
}

/** A request whose body has not been read. */
interface Arrival {
  readonly request: IncomingMessage;
  readonly path: string;
  readonly query: string;
  readonly receivedAtMs: number;
  readonly stream: CallerStream;
  /** The rest of the body will not be read, so that the connection cannot be used again. */
  closing: boolean;
}

function arrive(
  request: IncomingMessage,
  response: ServerResponse,
  options: AnswerOptions,
): Arrival {
  const url = request.url ?? '/';
  const queryAt = url.indexOf('?');
  const arrival: Arrival = {
    request,
    path: queryAt < 0 ? url : url.slice(0, queryAt),
    query: queryAt < 0 ? '' : url.slice(queryAt + 1),
    receivedAtMs: options.clock.now(),
    stream: new CallerStream(response, {
      requestId: callerRequestId(request.headers['x-request-id']) ?? options.newRequestId(),
      clock: options.clock,
      stallMs: options.callerStallMs,
      mayKeepAlive: () => !arrival.closing && options.mayKeepAlive(),
    }),
    closing: false,
  };
  return arrival;
}

function dispatch(
  arrival: Arrival,
  match: RouteMatch<HttpHandler>,
  options: AnswerOptions,
  beforeRead: () => void,
): void {
  const { request, path, stream } = arrival;
  if (match.kind === 'other_method' && request.method === 'OPTIONS') {
    stream.send(204, { allow: match.allow.join(', ') }, '');
    return;
  }
  if (match.kind !== 'found') {
    const headers: Record<string, string> = {};
    if (match.kind === 'other_method') headers['allow'] = match.allow.join(', ');
    options.refuse(stream, noSuchRoute(request.method ?? '', path, match), path, headers);
    return;
  }
  readBody(request, options.bodyBytesMax, beforeRead, (result) => {
    if (result.kind === 'read') {
      run(arrival, match, result.body, options);
      return;
    }
    arrival.closing = result.closing || arrival.closing;
    options.refuse(stream, result.error, path, {});
  });
}

function run(
  arrival: Arrival,
  match: RouteMatch<HttpHandler> & { kind: 'found' },
  body: Buffer,
  options: AnswerOptions,
): void {
  const { request, path, query, receivedAtMs, stream } = arrival;
  const fault = (thrown: unknown) => {
    const error = toUnbusyError(thrown);
    if (error.kind === 'internal') options.onFault({ route: match.route, error });
    if (stream.begun) stream.destroy();
    else options.refuse(stream, error, path, {});
  };
  try {
    const answered = match.handler({
      id: stream.requestId,
      route: match.route,
      path,
      query,
      params: match.params,
      headers: request.headers,
      remoteAddress: request.socket.remoteAddress ?? '',
      receivedAtMs,
      body,
      stream,
    });
    if (answered !== undefined) answered.catch(fault);
  } catch (thrown) {
    fault(thrown);
  }
}

function noSuchRoute(
  method: string,
  path: string,
  match: Exclude<RouteMatch<HttpHandler>, { kind: 'found' }>,
): UnbusyError {
  if (match.kind === 'other_method') {
    const message = `${path} does not take ${method}; it takes ${match.allow.join(', ')}`;
    return new UnbusyError('invalid_request', 'method_not_allowed', message);
  }
  const hint = match.similar === undefined ? '' : `; did you mean ${match.similar}?`;
  const message = `there is nothing at ${method} ${path}${hint}`;
  return new UnbusyError('not_found', 'route_not_found', message);
}
