/**
 * One request and its response over a pooled connection.
 *
 * Owns the silence clock (one timer, re-armed lazily), the one resend that the keep-alive race
 * calls for, and the decision whether the connection may be used again. The race: a server may
 * close an idle connection while a request is on its way, so a reused connection that dies before
 * any byte of a response says nothing about the request, which then goes out once more on a fresh
 * connection. On a fresh connection the same is a failure.
 */
import { assertNever } from '../../core/errors.ts';
import type { Clock, Exchange, Timer, WireRead } from '../../protocol/ports.ts';
import type { Connection, ConnectionUser } from './connection.ts';
import type { ConnectionPool } from './connection-pool.ts';
import type { HttpParseError, ResponseHead } from './response-head.ts';
import type { ResponseParser } from './response-parser.ts';

/** What is told of one response. After `onEnd`, `onError` or `abort()` nothing more is. */
export interface HttpHandler {
  onHead(head: ResponseHead): void;
  /** Payload of one socket read; the marks are valid during the call only. */
  onRead(read: WireRead): void;
  onEnd(): void;
  onError(failure: HttpFailure): void;
}

export interface HttpFailure {
  readonly kind: HttpFailureKind;
  /** For people; names no header value. */
  readonly message: string;
  readonly cause?: unknown;
}

export type HttpFailureKind =
  /** No connection came about: refused, unresolvable, bad certificate. */
  | 'unreachable'
  | 'connect_timeout'
  /** The connection died after the request went out, before any byte of the response. */
  | 'reset'
  | 'first_byte_timeout'
  | 'idle_timeout'
  /** The connection died within the response. */
  | 'truncated'
  | 'protocol'
  /** This side's client was closed. */
  | 'closed';

export interface HttpExchange extends Exchange {
  /** Changes the longest silence allowed from now on, ms. */
  setIdleMs(idleMs: number): void;
}

export interface ExchangeOptions {
  readonly pool: ConnectionPool;
  readonly clock: Clock;
  readonly connectMs: number;
  readonly firstByteMs: number;
  readonly idleMs: number;
}

type Phase = 'connecting' | 'waiting' | 'receiving' | 'over';

export class PooledExchange implements HttpExchange, ConnectionUser {
  readonly #options: ExchangeOptions;
  readonly #handler: HttpHandler;
  /** Kept until the first byte of the response, for the one resend. */
  #requestBytes: Buffer | undefined;
  #connection: Connection;
  #phase: Phase = 'connecting';
  #headTold = false;
  #paused = false;
  #idleMs: number;
  #timer: Timer | undefined;
  #timerDueMs = 0;
  #limitMs = 0;
  #progressAtMs = 0;

  /** `requestBytes`: the whole request. */
  constructor(options: ExchangeOptions, requestBytes: Buffer, handler: HttpHandler) {
    this.#options = options;
    this.#handler = handler;
    this.#requestBytes = requestBytes;
    this.#idleMs = options.idleMs;
    const idle = options.pool.takeIdle(this);
    if (idle === undefined) {
      this.#connection = options.pool.openFresh(this);
      this.#watch(options.connectMs);
    } else {
      this.#connection = idle;
      this.#send(requestBytes);
    }
  }

  abort(): void {
    if (this.#phase === 'over') return;
    this.#finish();
    this.#connection.destroy();
  }

  pause(): void {
    if (this.#phase === 'over' || this.#paused) return;
    this.#paused = true;
    this.#connection.pause();
  }

  resume(): void {
    if (this.#phase === 'over' || !this.#paused) return;
    this.#paused = false;
    this.#connection.resume();
    this.#watch(this.#limitMs);
  }

  setIdleMs(idleMs: number): void {
    this.#idleMs = idleMs;
    if (this.#phase === 'receiving') this.#watch(idleMs);
  }

  onConnected(): void {
    if (this.#phase === 'connecting' && this.#requestBytes !== undefined) {
      this.#send(this.#requestBytes);
    }
  }

  onParsed(parser: ResponseParser): void {
    if (this.#phase === 'over') return;
    const { pool, clock } = this.#options;
    pool.lastReadAtMs = clock.now();
    if (this.#phase !== 'receiving') {
      this.#phase = 'receiving';
      this.#requestBytes = undefined;
      this.#watch(this.#idleMs);
    } else {
      this.#progressAtMs = pool.lastReadAtMs;
    }
    const head = parser.head;
    if (head === undefined) return;
    if (!this.#headTold) {
      this.#headTold = true;
      this.#handler.onHead(head);
    }
    if (this.#isOver()) return;
    const { marks } = pool;
    if (marks.spanCount > 0) this.#handler.onRead(marks);
    if (this.#isOver() || !parser.complete) return;
    const reusable = head.keepAlive && !parser.excess && this.#connection.usable;
    if (this.#paused) this.#connection.resume();
    this.#finish();
    if (reusable) pool.release(this.#connection, head);
    else this.#connection.destroy();
    this.#handler.onEnd();
  }

  onProtocolError(error: HttpParseError): void {
    if (this.#phase !== 'over')
      this.#fail('protocol', `not valid HTTP/1.1: ${error.message}`, error);
  }

  onClosed(error: Error | undefined): void {
    if (this.#phase === 'over') return;
    if (this.#options.pool.closed) {
      this.#fail('closed', 'the endpoint has been closed on this side');
      return;
    }
    const why = error === undefined ? 'closed by the other end' : reason(error);
    switch (this.#phase) {
      case 'connecting':
        this.#fail('unreachable', why, error);
        return;
      case 'waiting':
        if (this.#connection.reused) {
          this.#phase = 'connecting';
          this.#connection = this.#options.pool.openFresh(this);
          this.#watch(this.#options.connectMs);
          return;
        }
        this.#fail('reset', `the connection was lost before any answer: ${why}`, error);
        return;
      case 'receiving':
        this.#fail('truncated', `the connection was lost within the answer: ${why}`, error);
        return;
      default:
        assertNever(this.#phase);
    }
  }

  /** A method, so that the type checker does not take the phase for known across a callback. */
  #isOver(): boolean {
    return this.#phase === 'over';
  }

  #send(bytes: Buffer): void {
    this.#phase = 'waiting';
    this.#connection.write(bytes);
    this.#watch(this.#options.firstByteMs);
  }

  /** From now on `limitMs` of silence is too much. Keeps a timer that is due early enough. */
  #watch(limitMs: number): void {
    const now = this.#options.clock.now();
    this.#limitMs = limitMs;
    this.#progressAtMs = now;
    if (this.#timer !== undefined) {
      if (this.#timerDueMs <= now + limitMs) return;
      this.#timer.cancel();
    }
    this.#arm(now, limitMs);
  }

  #arm(now: number, delayMs: number): void {
    this.#timerDueMs = now + delayMs;
    this.#timer = this.#options.clock.setTimer(delayMs, () => this.#onTimer());
  }

  #onTimer(): void {
    this.#timer = undefined;
    // Whoever is not reading cannot blame the peer for silence; `resume` starts the clock anew.
    if (this.#phase === 'over' || this.#paused) return;
    const now = this.#options.clock.now();
    const leftMs = this.#progressAtMs + this.#limitMs - now;
    if (leftMs > 0) {
      this.#arm(now, leftMs);
      return;
    }
    const phase = this.#phase;
    this.#connection.destroy();
    if (phase === 'connecting') {
      this.#fail('connect_timeout', `no connection within ${this.#limitMs} ms`);
    } else if (phase === 'waiting') {
      this.#fail('first_byte_timeout', `no answer began within ${this.#limitMs} ms`);
    } else {
      this.#fail('idle_timeout', `the answer stood still for ${this.#limitMs} ms`);
    }
  }

  #fail(kind: HttpFailureKind, message: string, cause?: unknown): void {
    this.#finish();
    this.#handler.onError({ kind, message, cause });
  }

  #finish(): void {
    this.#phase = 'over';
    this.#requestBytes = undefined;
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}

/** Node reports a failure on every address of a name as an AggregateError without a message. */
function reason(error: Error): string {
  if (error instanceof AggregateError) {
    return error.errors.map((one: unknown) => (one instanceof Error ? one.message : '')).join('; ');
  }
  return error.message;
}
