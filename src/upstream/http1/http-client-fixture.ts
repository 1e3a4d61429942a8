/** What the HTTP client's tests share: servers that say what they are told, and requests. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { createSystemClock } from '../../core/clock.ts';
import type { Clock, WireRead } from '../../protocol/ports.ts';
import { createHttpClient, type HttpClient } from './http-client.ts';
import type { HttpExchange, HttpFailure } from './http-exchange.ts';
import type { HttpRequest } from './request-bytes.ts';
import type { ResponseHead } from './response-head.ts';

export const GET: HttpRequest = {
  method: 'GET',
  path: '/',
  headers: {},
  firstByteMs: 5000,
  idleMs: 5000,
};
export const OK_2 = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

export interface Outcome {
  readonly head: ResponseHead | undefined;
  readonly payload: Buffer;
  readonly failure: HttpFailure | undefined;
  readonly reads: number;
}

export interface Sent {
  readonly exchange: HttpExchange;
  readonly outcome: Promise<Outcome>;
  payloadLength(): number;
}

/** Sends a request and collects what comes back; `onRead` looks on. */
export function send(
  client: HttpClient,
  request: HttpRequest,
  onRead?: (read: WireRead) => void,
): Sent {
  const parts: Buffer[] = [];
  let head: ResponseHead | undefined;
  let reads = 0;
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  const end = (failure?: HttpFailure) =>
    resolve({ head, payload: Buffer.concat(parts), failure, reads });
  const exchange = client.request(request, {
    onHead(given) {
      head = given;
    },
    onRead(read) {
      reads += 1;
      for (let span = 0; span < read.spanCount; span += 1) {
        const part = read.buffer.subarray(read.spans[2 * span], read.spans[2 * span + 1]);
        parts.push(Buffer.from(part));
      }
      onRead?.(read);
    },
    onEnd: () => end(),
    onError: (failure) => end(failure),
  });
  return {
    exchange,
    outcome: promise,
    payloadLength: () => parts.reduce((sum, part) => sum + part.length, 0),
  };
}

/** A TCP server whose every connection is given to `serve` with its number, from 1. */
export async function listen(
  t: TestContext,
  serve: (socket: Socket, connection: number) => void,
): Promise<URL> {
  let connections = 0;
  const sockets = new Set<Socket>();
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    connections += 1;
    sockets.add(socket.setNoDelay(true));
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    serve(socket, connections);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
}

export function clientFor(
  t: TestContext,
  origin: URL,
  clock: Clock = createSystemClock(),
): HttpClient {
  const client = createHttpClient({ origin, clock, connectMs: 2000 });
  t.after(() => client.close());
  return client;
}

/** Answers every request head on the socket with `wire`, then does `after`. */
export function answer(socket: Socket, wire: string | Buffer, after?: () => void): void {
  socket.on('data', (bytes) => {
    if (!bytes.includes('\r\n\r\n')) return;
    socket.write(wire);
    after?.();
  });
}

export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}
