/**
 * `hybridW`: the experiment's reference for what a gateway in Node can reach, re-created.
 *
 *   node bench/gateway/hybrid-reference.ts PORT UPSTREAM_PORT
 *
 * node:http inbound; upstream a bare `net.connect({ onread })` with one read buffer for all
 * sockets; the upstream's framed bytes go straight to the caller's socket. It does a gateway's
 * work per request (key check by SHA-256 and a map, JSON.parse of the body) and per read
 * (searches for event end, finish reason and usage), and keeps histograms.
 *
 * A laboratory reference, not a gateway: it assumes that a response's last bytes are not split
 * over reads, knows no trailers, time-outs or retries, and counts a client too slow to take a
 * write at once instead of protecting the shared buffer from it.
 */
import { hash } from 'node:crypto';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import net, { type Socket } from 'node:net';

const port = Number(process.argv[2]);
const upstreamPort = Number(process.argv[3]);

const lastBytes = Buffer.from('\r\n0\r\n\r\n');
const eventEnd = Buffer.from('\n\n');
const finishReason = Buffer.from('"finish_reason":"');
const usageKey = Buffer.from('"usage":{');

/** Log-linear histogram, as in the load client. */
class Histogram {
  readonly #counts = new Uint32Array(64 * 64);
  record(valueUs: number): void {
    const value = Math.max(0, Math.trunc(valueUs));
    const exponent = value < 64 ? 0 : 31 - Math.clz32(value) - 5;
    const at = exponent * 64 + ((value >>> exponent) & 63);
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
  }
}

const stats = { events: 0, finishes: 0, usages: 0, slowClients: 0 };
const firstByte = new Histogram();
const duration = new Histogram();
const keys = new Map<string, { tenant: string }>();
for (let i = 0; i < 10_000; i++) {
  const key = `sk-test-key-${String(i).padStart(6, '0')}`;
  keys.set(hash('sha256', key, 'hex'), { tenant: `tenant-${i % 100}` });
}

const idle: UpstreamSocket[] = [];
let readBuffer = Buffer.allocUnsafeSlow(65_536);

/** One keep-alive connection to the upstream, serving one exchange at a time. */
class UpstreamSocket {
  readonly #socket: Socket;
  #exchange: Exchange | undefined;

  constructor() {
    this.#socket = net.connect({
      host: '127.0.0.1',
      port: upstreamPort,
      noDelay: true,
      onread: {
        buffer: () => readBuffer,
        callback: (length, buffer) => {
          this.#exchange?.read(Buffer.from(buffer.buffer, buffer.byteOffset, length));
          return true;
        },
      },
    });
    this.#socket.on('close', () => {
      const at = idle.indexOf(this);
      if (at >= 0) idle.splice(at, 1);
      this.#exchange?.broken();
    });
    this.#socket.on('error', () => this.#socket.destroy());
  }

  send(exchange: Exchange, bytes: string): void {
    this.#exchange = exchange;
    this.#socket.write(bytes);
  }

  release(): void {
    this.#exchange = undefined;
    idle.push(this);
  }

  destroy(): void {
    this.#exchange = undefined;
    this.#socket.destroy();
  }
}

class Exchange {
  readonly #response: ServerResponse;
  readonly #upstream: UpstreamSocket;
  readonly #startedAt = performance.now();
  #headRead = false;
  #chunked = false;
  /** Body bytes still to come, of a response with a content-length. */
  #left = 0;
  #over = false;

  constructor(response: ServerResponse, body: string) {
    this.#response = response;
    this.#upstream = idle.pop() ?? new UpstreamSocket();
    response.on('close', () => this.#abandon());
    this.#upstream.send(
      this,
      `POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:${upstreamPort}\r\n` +
        'authorization: Bearer up\r\ncontent-type: application/json\r\n' +
        `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
  }

  read(bytes: Buffer): void {
    let rest = bytes;
    if (!this.#headRead) {
      const end = bytes.indexOf('\r\n\r\n');
      if (end < 0) {
        this.broken();
        return;
      }
      this.#readHead(bytes.toString('latin1', 0, end));
      firstByte.record((performance.now() - this.#startedAt) * 1000);
      rest = bytes.subarray(end + 4);
    }
    this.#scan(rest);
    const socket = this.#response.socket;
    if (rest.length > 0 && socket !== null) {
      socket.write(rest);
      if (socket.writableLength > 0) {
        stats.slowClients += 1;
        readBuffer = Buffer.allocUnsafeSlow(65_536);
      }
    }
    this.#left -= rest.length;
    const ended = this.#chunked ? endsWith(rest, lastBytes) : this.#left <= 0;
    if (ended) this.#finish();
  }

  broken(): void {
    if (this.#over) return;
    this.#over = true;
    this.#upstream.destroy();
    this.#response.destroy();
  }

  #readHead(head: string): void {
    this.#headRead = true;
    const status = Number(head.slice(9, 12));
    const headers: Record<string, string> = {};
    for (const line of head.split('\r\n').slice(1)) {
      const colon = line.indexOf(':');
      headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
    }
    this.#chunked = headers['transfer-encoding'] === 'chunked';
    this.#left = Number(headers['content-length'] ?? 0);
    this.#response.writeHead(status, headers);
    this.#response.flushHeaders();
    // The body is written past node:http, framing included, so it must add none of its own.
    this.#response.chunkedEncoding = false;
    this.#response.strictContentLength = false;
  }

  #scan(bytes: Buffer): void {
    if (bytes.indexOf(eventEnd) >= 0) stats.events += 1;
    if (bytes.indexOf(finishReason) >= 0) stats.finishes += 1;
    if (bytes.indexOf(usageKey) >= 0) stats.usages += 1;
  }

  #finish(): void {
    this.#over = true;
    duration.record((performance.now() - this.#startedAt) * 1000);
    this.#upstream.release();
    this.#response.end();
  }

  #abandon(): void {
    if (this.#over) return;
    this.#over = true;
    this.#upstream.destroy();
  }
}

function endsWith(bytes: Buffer, ending: Buffer): boolean {
  return bytes.length >= ending.length && bytes.subarray(-ending.length).equals(ending);
}

function handle(request: IncomingMessage, response: ServerResponse): void {
  if (request.method !== 'POST') {
    response.writeHead(404).end();
    return;
  }
  const token = (request.headers.authorization ?? '').slice('Bearer '.length);
  if (keys.get(hash('sha256', token, 'hex')) === undefined) {
    response.writeHead(401).end();
    return;
  }
  const parts: Buffer[] = [];
  request.on('data', (part: Buffer) => parts.push(part));
  request.on('end', () => {
    const body = parts.length === 1 ? String(parts[0]) : Buffer.concat(parts).toString();
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed !== 'object' || parsed === null || !('model' in parsed)) {
      response.writeHead(400).end();
      return;
    }
    new Exchange(response, body);
  });
}

const server = http.createServer({ noDelay: true, keepAliveTimeout: 60_000 }, handle);
server.listen({ port, host: '127.0.0.1', backlog: 4096 });
process.on('SIGTERM', () => {
  process.stderr.write(`${JSON.stringify(stats)}\n`);
  process.exit(0);
});
