/**
 * The writer of one HTTP response, made for streams of small events.
 *
 * The head goes out through node:http; after it, chunk-framed bytes go straight to the socket, one
 * write per batch, because node:http's own framing costs three more buffers and a tick per chunk.
 * The socket belongs to this response from its start to its end (the server starts the next
 * pipelined request only then), so writing to it directly cannot mix up answers.
 *
 * It owns two things in time: that a caller who leaves is noticed, and that one who stays but takes
 * nothing for `stallMs` is dropped.
 */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock, Timer } from '../../protocol/ports.ts';
import { removeChunkFraming } from './chunk-framing.ts';

export interface CallerStreamOptions {
  readonly requestId: string;
  readonly clock: Clock;
  /** A caller with bytes to take who takes none for this long is dropped, ms. */
  readonly stallMs: number;
  /** Asked when a head is written: whether the connection may serve another request. */
  readonly mayKeepAlive: () => boolean;
}

export type Headers = Readonly<Record<string, string>>;

const lastChunk = Buffer.from('0\r\n\r\n', 'latin1');
const nothing = Buffer.alloc(0);

export class CallerStream {
  readonly requestId: string;
  readonly #response: ServerResponse;
  readonly #socket: Socket;
  readonly #options: CallerStreamOptions;
  #begun = false;
  #ended = false;
  #closed = false;
  /** The body is sent in chunks; false towards HTTP/1.0, where the connection's end ends it. */
  #chunked = true;
  #headPending = false;
  #flushMarked = false;
  #handedLength = 0;
  #stallTimer: Timer | undefined;
  readonly #drainCallbacks: (() => void)[] = [];
  readonly #goneCallbacks: (() => void)[] = [];

  /** `response` must have its socket. */
  constructor(response: ServerResponse, options: CallerStreamOptions) {
    if (response.socket === null) throw new Error('the response has no socket yet');
    this.requestId = options.requestId;
    this.#response = response;
    this.#socket = response.socket;
    this.#options = options;
    response.once('close', () => this.#onClose());
  }

  /** The head has been handed over: the status is decided. */
  get begun(): boolean {
    return this.#begun;
  }

  /** Nothing more can be sent: ended, destroyed, or the caller has left. */
  get over(): boolean {
    return this.#ended || this.#closed;
  }

  /** Bytes that the caller's socket has not taken. Text beyond ASCII counts by UTF-16 units. */
  get unsentBytes(): number {
    return this.#closed ? 0 : this.#socket.writableLength;
  }

  /** Called each time everything unsent has gone out. */
  onDrain(callback: () => void): void {
    this.#drainCallbacks.push(callback);
  }

  /** Called once if the caller leaves before the response was ended here. */
  onGone(callback: () => void): void {
    if (this.#closed && !this.#ended) callback();
    else this.#goneCallbacks.push(callback);
  }

  /**
   * Sends a head whose body follows in pieces. It leaves with the first of them, or alone at the
   * end of this tick.
   */
  begin(status: number, headers: Headers): void {
    if (this.#begun || this.over) return;
    this.#writeHead(status, headers);
    this.#chunked = this.#response.chunkedEncoding;
    // From here on the body is framed here, and node:http must not add to it.
    this.#response.chunkedEncoding = false;
    this.#headPending = true;
    process.nextTick(() => this.#flushHead());
  }

  /** Sends bytes that are already framed, in whole chunks. */
  writeFramed(framed: Uint8Array): void {
    this.#write(this.#chunked ? framed : removeChunkFraming(framed));
  }

  /** Sends text as one chunk, in one write. */
  writePayload(text: string): void {
    if (text !== '') this.#writeText(text, '');
  }

  /** Ends the body, after `text`, which then travels in the same write. */
  end(text = ''): void {
    if (this.over) return;
    if (text !== '') this.#writeText(text, '0\r\n\r\n');
    else if (this.#chunked) this.#write(lastChunk);
    else this.#flushHead();
    this.#ended = true;
    this.#response.end();
  }

  /** Sends a whole response at once. */
  send(status: number, headers: Headers, body: string | Uint8Array): void {
    if (this.#begun || this.over) return;
    this.#ended = true;
    this.#writeHead(status, { ...headers, 'content-length': String(Buffer.byteLength(body)) });
    this.#response.end(body);
    if (this.#socket.writableLength > 0) this.#armStall();
  }

  /** Breaks the connection, so that the caller cannot take what it has for a whole answer. */
  destroy(): void {
    this.#ended = true;
    this.#socket.destroy();
  }

  #writeHead(status: number, headers: Headers): void {
    this.#begun = true;
    if (!this.#options.mayKeepAlive()) this.#response.shouldKeepAlive = false;
    this.#response.writeHead(status, { ...headers, 'x-request-id': this.requestId });
  }

  #flushHead(): void {
    if (!this.#headPending || this.#closed) return;
    this.#headPending = false;
    this.#response.flushHeaders();
  }

  /** `after` follows the text's chunk where the body is chunked. */
  #writeText(text: string, after: string): void {
    const size = Buffer.byteLength(text);
    // ASCII, which most batches are, is copied once less as latin1.
    const encoding = size === text.length ? 'latin1' : 'utf8';
    const data = this.#chunked ? `${size.toString(16)}\r\n${text}\r\n${after}` : text;
    this.#write(data, encoding);
  }

  #write(data: string | Uint8Array, encoding?: 'latin1' | 'utf8'): void {
    if (this.over) return;
    if (!this.#begun) throw new Error('a body was written before its head');
    const withHead = this.#headPending;
    if (withHead) {
      this.#socket.cork();
      this.#flushHead();
    }
    this.#handedLength += data.length;
    this.#socket.write(data, encoding);
    if (withHead) this.#socket.uncork();
    if (this.#socket.writableLength > 0) this.#markFlush();
  }

  /**
   * Nearly every write is taken by the kernel at once. Only after one that was not, an empty write
   * is queued behind it, whose callback tells when all has gone; 'drain' would tell only of more
   * than the socket's high-water mark.
   */
  #markFlush(): void {
    if (this.#flushMarked) return;
    this.#flushMarked = true;
    this.#armStall();
    this.#socket.write(nothing, (error) => {
      this.#flushMarked = false;
      if (error) return;
      if (this.#socket.writableLength > 0) {
        this.#markFlush();
        return;
      }
      for (const callback of this.#drainCallbacks) callback();
    });
  }

  #armStall(): void {
    if (this.#stallTimer !== undefined) return;
    const before = this.#progress();
    this.#stallTimer = this.#options.clock.setTimer(this.#options.stallMs, () => {
      this.#stallTimer = undefined;
      if (this.unsentBytes === 0) return;
      if (this.#progress() === before) this.#socket.destroy();
      else this.#armStall();
    });
  }

  /** Changes whenever the caller has taken something. */
  #progress(): string {
    return `${this.#handedLength - this.#socket.writableLength} ${kernelQueueBytes(this.#socket)}`;
  }

  #onClose(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stallTimer?.cancel();
    if (this.#ended) return;
    for (const callback of this.#goneCallbacks) callback();
  }
}

/**
 * What is left of the write that the kernel is working on. node:net watches the same number for its
 * own time-outs; the public `writableLength` only moves when a write is complete.
 */
function kernelQueueBytes(socket: Socket): number {
  return (socket as { _handle?: { writeQueueSize?: number } })._handle?.writeQueueSize ?? 0;
}
