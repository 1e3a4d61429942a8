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
import { type AnswerOptions, answerRequest, type HttpHandler } from './http-request.ts';
import { createRouteTable } from './route-table.ts';
import { refuseUnparsed } from './unparsed-request.ts';

export interface HttpServerOptions
  extends Pick<AnswerOptions, 'clock' | 'newRequestId' | 'refuse' | 'onFault'> {
  /** `'POST /v1/chat/completions': handler`; see `route-table.ts`. */
  readonly routes: Readonly<Record<string, HttpHandler>>;
  readonly limits?: Partial<HttpLimits>;
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
  const answering: AnswerOptions = {
    ...options,
    ...limits,
    routes: createRouteTable(options.routes),
    mayKeepAlive: () => allEnded === undefined,
  };
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
    answerRequest(request, response, expects, answering);
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
  server.on('clientError', (error, socket) => {
    refuseUnparsed(error, socket as Socket, { ...options, ...limits });
  });
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
