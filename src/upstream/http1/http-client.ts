/**
 * An HTTP/1.1 client for one origin, made for streams of many small chunks.
 *
 * It hands on each socket read as it came (`WireRead`) instead of decoding it into objects. One
 * object per request and one per connection; the pool owns the connections and what they share.
 */
import type { ConnectionOptions as TlsOptions } from 'node:tls';
import type { Clock } from '../../protocol/ports.ts';
import type { ConnectionTarget } from './connection.ts';
import { ConnectionPool } from './connection-pool.ts';
import { type HttpExchange, type HttpHandler, PooledExchange } from './http-exchange.ts';
import { encodeRequest, type HttpRequest } from './request-bytes.ts';

export interface HttpClientOptions {
  /** Only scheme, host and port are used. */
  readonly origin: URL;
  readonly clock: Clock;
  /** Longest time to a connection, TLS included, ms. */
  readonly connectMs: number;
  /**
   * How long a connection may lie idle, ms. The default of 4000 is a little under the 5 s after
   * which uvicorn (vLLM, SGLang) and Node close theirs; `Keep-Alive: timeout=` overrules it.
   */
  readonly keepAliveMs?: number | undefined;
  /** Idle connections kept, default 256. */
  readonly idleConnectionsMax?: number | undefined;
  /** Further options of TLS connections. */
  readonly tls?: TlsOptions | undefined;
}

export interface HttpClient {
  /**
   * Sends a request; the handler is called later, never from inside this call. Throws a
   * `TypeError` where the request cannot be written as one.
   */
  request(request: HttpRequest, handler: HttpHandler): HttpExchange;
  /** When the server last said anything on any connection; −Infinity: never. */
  readonly lastReadAtMs: number;
  /** Connections there are now. */
  readonly connections: { readonly open: number; readonly idle: number };
  /** Ends every exchange with a failure and closes all connections. */
  close(): void;
}

export function createHttpClient(options: HttpClientOptions): HttpClient {
  const { origin, clock, connectMs } = options;
  const pool = new ConnectionPool({
    target: targetOf(origin, options.tls),
    clock,
    keepAliveMs: options.keepAliveMs ?? 4000,
    idleMax: options.idleConnectionsMax ?? 256,
  });
  return {
    request(request, handler) {
      if (pool.closed) throw new TypeError('the HTTP client has been closed');
      const bytes = encodeRequest(request, origin.host);
      const { firstByteMs, idleMs } = request;
      const limits = { connectMs, firstByteMs, idleMs };
      return new PooledExchange({ pool, clock, ...limits }, bytes, handler);
    },
    get lastReadAtMs() {
      return pool.lastReadAtMs;
    },
    get connections() {
      return { open: pool.openCount, idle: pool.idleCount };
    },
    close: () => pool.close(),
  };
}

function targetOf(origin: URL, tls: TlsOptions | undefined): ConnectionTarget {
  const secure = origin.protocol === 'https:';
  const standard = secure ? 443 : 80;
  return {
    hostname: origin.hostname.replace(/^\[|\]$/g, ''),
    port: origin.port === '' ? standard : Number(origin.port),
    tls: secure ? (tls ?? {}) : undefined,
  };
}
