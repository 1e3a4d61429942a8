/**
 * The HTTP side of every caller protocol: node:http behind one small interface.
 *
 * It reads a request whole, names it, finds its handler and hands over a `CallerStream` to answer
 * on. It knows no protocol: how an error looks is `refuse`'s business. One connection runs one
 * request at a time; a pipelined one starts when the answer before it has ended, so that each
 * response owns its socket while it is written.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { toUnbusyError, UnbusyError } from '../../core/errors.ts';
import { callerRequestId } from '../../core/ids.ts';
import type { Clock } from '../../protocol/ports.ts';
import { CallerStream } from './caller-stream.ts';
import { readBody } from './read-body.ts';
import { createRouteTable, type RouteMatch } from './route-table.ts';

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

export interface HttpServerOptions {
  /** `'POST /v1/chat/completions': handler`; see `route-table.ts`. */
  readonly routes: Readonly<Record<string, HttpHandler>>;
  readonly clock: Clock;
  readonly newRequestId: () => string;
  readonly limits?: Partial<HttpLimits>;
  readonly refuse: Refuse;
  /** A handler broke; the caller has been answered or cut off. */
  readonly onFault: (fault: { readonly route: string; readonly error: UnbusyError }) => void;
}

export interface HttpLimits {
  /** Default 32 MiB. */
  readonly bodyBytesMax: number;
  /** Default 32 KiB: node's 16 KiB is little for cookies and traces behind proxies. */
  readonly headerBytesMax: number;
  /** For a whole head to arrive, default 15 s. */
  readonly headerTimeoutMs: number;
  /** For a whole request to arrive, default 120 s. */
  readonly requestTimeoutMs: number;
  /** Idle between requests, default 75 s: longer than the 60 s after which proxies drop theirs. */
  readonly keepAliveMs: number;
  /** Open connections; more are closed at once. Default 20,000. */
  readonly connectionsMax: number;
  /** See `CallerStreamOptions.stallMs`, default 60 s. */
  readonly callerStallMs: number;
}

export const defaultHttpLimits: HttpLimits = {
  bodyBytesMax: 32 * 1024 * 1024,
  headerBytesMax: 32 * 1024,
  headerTimeoutMs: 15_000,
  requestTimeoutMs: 120_000,
  keepAliveMs: 75_000,
  connectionsMax: 20_000,
  callerStallMs: 60_000,
};

export interface HttpServer {
  /** Rejects with node's error where the address cannot be had (`EADDRINUSE`). */
  listen(address: { readonly host: string; readonly port: number }): Promise<AddressInfo>;
  /** Requests whose answer has not ended. */
  readonly openRequests: number;
  /** Takes no new connection; resolves when all answers in progress have ended. */
  drain(): Promise<void>;
  /** Breaks what is still open. */
  close(): Promise<void>;
}

/** How often node:http looks for heads and requests that take too long, ms. */
const timeoutCheckMs = 1000;
/** Unanswered requests that one connection may have; no client in use sends more than one. */
const pipelinedMax = 32;

export function createHttpServer(options: HttpServerOptions): HttpServer {
  const limits = { ...defaultHttpLimits, ...options.limits };
  let openRequests = 0;
  /** Set once no new connection is taken. */
  let allEnded: Promise<void> | undefined;
  const settings = { ...options, limits, mayKeepAlive: () => allEnded === undefined };
  const table = createRouteTable(options.routes);
  /** Requests of each connection that have come and whose answer has not ended. */
  const connections = new Map<Socket, number>();

  const server = createServer({
    maxHeaderSize: limits.headerBytesMax,
    headersTimeout: limits.headerTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveMs,
    connectionsCheckingInterval: Math.min(
      timeoutCheckMs,
      limits.headerTimeoutMs,
      limits.requestTimeoutMs,
    ),
    noDelay: true,
  });
  server.maxConnections = limits.connectionsMax;

  function onRequest(request: IncomingMessage, response: ServerResponse, expects: boolean): void {
    const { socket } = request;
    const unanswered = (connections.get(socket) ?? 0) + 1;
    connections.set(socket, unanswered);
    const run = () => answer(request, response, expects);
    if (response.socket !== null) run();
    else if (unanswered <= pipelinedMax) response.once('socket', run);
    else socket.destroy();
  }

  function answer(request: IncomingMessage, response: ServerResponse, expects: boolean): void {
    openRequests += 1;
    response.once('close', () => {
      openRequests -= 1;
      onAnswered(request.socket);
    });
    const arrival = arrive(request, response, settings);
    arrival.closing = expects;
    dispatch(arrival, table.find(request.method ?? '', arrival.path), settings, () => {
      arrival.closing = false;
      if (expects) response.writeContinue();
    });
  }

  function onAnswered(socket: Socket): void {
    const before = connections.get(socket);
    if (before === undefined) return;
    connections.set(socket, before - 1);
    // Its head may have promised to keep the connection, before the server began to drain.
    if (allEnded !== undefined && before === 1) socket.destroySoon();
  }

  function drain(): Promise<void> {
    allEnded ??= new Promise((resolve) => {
      server.close(() => resolve());
      for (const [socket, unanswered] of connections) if (unanswered === 0) socket.destroy();
    });
    return allEnded;
  }

  server.on('connection', (socket) => {
    connections.set(socket, 0);
    socket.once('close', () => connections.delete(socket));
  });
  server.on('request', (request, response) => onRequest(request, response, false));
  server.on('checkContinue', (request, response) => onRequest(request, response, true));
  // Expectations other than 100-continue mean nothing here and are passed over (RFC 9110, 10.1.1).
  server.on('checkExpectation', (request, response) => onRequest(request, response, false));
  server.on('clientError', (error, socket) => refuseUnparsed(error, socket as Socket, settings));
  return {
    listen: (address) => listen(server, address),
    get openRequests() {
      return openRequests;
    },
    drain,
    close() {
      const done = drain();
      server.closeAllConnections();
      return done;
    },
  };
}

type Settings = Omit<HttpServerOptions, 'limits'> & {
  readonly limits: HttpLimits;
  readonly mayKeepAlive: () => boolean;
};

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

function arrive(request: IncomingMessage, response: ServerResponse, settings: Settings): Arrival {
  const url = request.url ?? '/';
  const queryAt = url.indexOf('?');
  const arrival: Arrival = {
    request,
    path: queryAt < 0 ? url : url.slice(0, queryAt),
    query: queryAt < 0 ? '' : url.slice(queryAt + 1),
    receivedAtMs: settings.clock.now(),
    stream: new CallerStream(response, {
      requestId: callerRequestId(request.headers['x-request-id']) ?? settings.newRequestId(),
      clock: settings.clock,
      stallMs: settings.limits.callerStallMs,
      mayKeepAlive: () => !arrival.closing && settings.mayKeepAlive(),
    }),
    closing: false,
  };
  return arrival;
}

function dispatch(
  arrival: Arrival,
  match: RouteMatch<HttpHandler>,
  settings: Settings,
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
    settings.refuse(stream, noSuchRoute(request.method ?? '', path, match), path, headers);
    return;
  }
  readBody(request, settings.limits.bodyBytesMax, beforeRead, (result) => {
    if (result.kind === 'read') {
      run(arrival, match, result.body, settings);
      return;
    }
    arrival.closing = result.closing || arrival.closing;
    settings.refuse(stream, result.error, path, {});
  });
}

function run(
  arrival: Arrival,
  match: RouteMatch<HttpHandler> & { kind: 'found' },
  body: Buffer,
  settings: Settings,
): void {
  const { request, path, query, receivedAtMs, stream } = arrival;
  const fault = (thrown: unknown) => {
    const error = toUnbusyError(thrown);
    if (error.kind === 'internal') settings.onFault({ route: match.route, error });
    if (stream.begun) stream.destroy();
    else settings.refuse(stream, error, path, {});
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

/** What could not be parsed has no request; the answer is written by hand and ends the connection. */
function refuseUnparsed(
  error: Error & { code?: string },
  socket: Socket,
  settings: Settings,
): void {
  const responding = (socket as { _httpMessage?: ServerResponse })._httpMessage;
  if (!socket.writable || error.code === 'ECONNRESET' || responding?.headersSent) {
    socket.destroy();
    return;
  }
  const [status, code, message] = unparsedStatus(error.code, settings.limits);
  const body = JSON.stringify({
    error: { message, type: 'invalid_request_error', param: null, code },
  });
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\nconnection: close\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nx-request-id: ${settings.newRequestId()}\r\n\r\n${body}`,
    () => socket.destroy(),
  );
}

function unparsedStatus(code: string | undefined, limits: HttpLimits): [string, string, string] {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return [
        '431 Request Header Fields Too Large',
        'too_large',
        `the head of the request has more than ${limits.headerBytesMax} bytes`,
      ];
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return ['408 Request Timeout', 'invalid_request', 'the request had not come whole in time'];
    default:
      return ['400 Bad Request', 'invalid_request', 'this is not a valid HTTP/1.1 request'];
  }
}

function listen(
  server: Server,
  address: { readonly host: string; readonly port: number },
): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ ...address, backlog: 4096 }, () => {
      server.off('error', reject);
      resolve(server.address() as AddressInfo);
    });
  });
}
