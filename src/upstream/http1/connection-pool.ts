/**
 * The connections to one origin: opens them, keeps idle ones and hands out the one used last
 * first, so that those not needed fall idle and close.
 *
 * One read buffer and one set of marks serve all plain connections here: reads happen one after
 * another, and nobody keeps a view of the buffer after its callback.
 */
import type { Clock, Timer } from '../../protocol/ports.ts';
import { Connection, type ConnectionTarget, type ConnectionUser } from './connection.ts';
import { ReadMarks } from './read-marks.ts';
import type { ResponseHead } from './response-head.ts';

export interface ConnectionPoolOptions {
  readonly target: ConnectionTarget;
  readonly clock: Clock;
  /** How long a connection may lie idle where the server announces nothing, ms. */
  readonly keepAliveMs: number;
  readonly idleMax: number;
}

const READ_BUFFER_BYTES = 65_536;
const KEEP_ALIVE_MAX_MS = 60_000;
/** A server's own figure less this, because its clock started earlier than ours. */
const KEEP_ALIVE_MARGIN_MS = 1000;

export class ConnectionPool {
  /** What the last read brought; valid within the callback of that read. */
  readonly marks = new ReadMarks();
  /** When bytes last came on any connection; set by the exchanges. */
  lastReadAtMs = Number.NEGATIVE_INFINITY;
  readonly #options: ConnectionPoolOptions;
  readonly #readBuffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
  readonly #open = new Set<Connection>();
  #idle: Connection[] = [];
  #sweepTimer: Timer | undefined;
  #closed = false;

  constructor(options: ConnectionPoolOptions) {
    this.#options = options;
  }

  get closed(): boolean {
    return this.#closed;
  }

  get openCount(): number {
    return this.#open.size;
  }

  get idleCount(): number {
    return this.#idle.length;
  }

  /** An idle connection given to `user`, or undefined. */
  takeIdle(user: ConnectionUser): Connection | undefined {
    for (;;) {
      const connection = this.#idle.pop();
      if (connection === undefined) return undefined;
      if (connection.usable && connection.idleUntilMs > this.#options.clock.now()) {
        connection.attach(user);
        return connection;
      }
      connection.destroy();
    }
  }

  /** Starts to connect; the user hears of success or failure later. */
  openFresh(user: ConnectionUser): Connection {
    const connection = new Connection(
      {
        target: this.#options.target,
        readBuffer: this.#readBuffer,
        marks: this.marks,
        onGone: (gone) => {
          this.#open.delete(gone);
          const at = this.#idle.indexOf(gone);
          if (at >= 0) this.#idle.splice(at, 1);
        },
      },
      user,
    );
    this.#open.add(connection);
    return connection;
  }

  /** Takes a connection back after a response that lets it be used again. */
  release(connection: Connection, head: ResponseHead): void {
    const { clock, keepAliveMs, idleMax } = this.#options;
    if (this.#closed || this.#idle.length >= idleMax) {
      connection.destroy();
      return;
    }
    connection.detach();
    connection.idleUntilMs = clock.now() + (announcedKeepAliveMs(head) ?? keepAliveMs);
    this.#idle.push(connection);
    this.#sweepTimer ??= clock.setTimer(keepAliveMs, () => this.#sweep());
  }

  /** Closes every connection; the exchanges on them are told. */
  close(): void {
    this.#closed = true;
    this.#sweepTimer?.cancel();
    this.#idle = [];
    for (const connection of this.#open) connection.close();
  }

  #sweep(): void {
    const { clock, keepAliveMs } = this.#options;
    const now = clock.now();
    const expired = this.#idle.filter((connection) => connection.idleUntilMs <= now);
    this.#idle = this.#idle.filter((connection) => connection.idleUntilMs > now);
    for (const connection of expired) connection.destroy();
    this.#sweepTimer =
      this.#idle.length > 0 ? clock.setTimer(keepAliveMs, () => this.#sweep()) : undefined;
  }
}

/** `Keep-Alive: timeout=5, max=100`: how long the server itself keeps the connection, in ms. */
function announcedKeepAliveMs(head: ResponseHead): number | undefined {
  const value = head.headers.get('keep-alive');
  if (value === undefined) return undefined;
  const seconds = /(?:^|[,\s])timeout=(\d{1,6})/i.exec(value)?.[1];
  if (seconds === undefined) return undefined;
  return Math.min(Number(seconds) * 1000 - KEEP_ALIVE_MARGIN_MS, KEEP_ALIVE_MAX_MS);
}
