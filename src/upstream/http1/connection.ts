/**
 * One TCP or TLS connection and the response that is being read from it.
 *
 * Plain sockets read into the client's one shared buffer (`onread`): nobody may keep a view of it
 * after the callback, so whoever writes the bytes on copies them first (a 300-byte copy is small
 * against the write that follows). TLS sockets bring a buffer of their own. The connection knows
 * nothing of time or of other connections; `ConnectionUser` is told what happened.
 */
import { isIP, connect as netConnect, type Socket } from 'node:net';
import { type ConnectionOptions as TlsOptions, connect as tlsConnect } from 'node:tls';
import type { ReadMarks } from './read-marks.ts';
import { HttpParseError } from './response-head.ts';
import { ResponseParser } from './response-parser.ts';

/** TCP keep-alive probes, so that a peer that vanished during a long prefill is noticed. */
const TCP_KEEP_ALIVE_MS = 30_000;
const EMPTY = Buffer.alloc(0);

export interface ConnectionTarget {
  /** Name or address, IPv6 without brackets. */
  readonly hostname: string;
  readonly port: number;
  /** Present: TLS, with these further options (`ca`, `rejectUnauthorized`). */
  readonly tls?: TlsOptions | undefined;
}

/** The exchange that a connection works for. */
export interface ConnectionUser {
  onConnected(): void;
  /** One read has been parsed: look at the parser and at the shared marks. */
  onParsed(parser: ResponseParser): void;
  /** The peer broke the protocol; the connection has been destroyed. */
  onProtocolError(error: HttpParseError): void;
  /** The connection is gone, by an error or by its peer. */
  onClosed(error: Error | undefined): void;
}

export interface ConnectionOptions {
  readonly target: ConnectionTarget;
  readonly readBuffer: Buffer;
  readonly marks: ReadMarks;
  /** Called once when the connection has gone, whoever closed it. */
  readonly onGone: (connection: Connection) => void;
}

export class Connection {
  /** It has already carried a response. */
  reused = false;
  /** While idle: the clock's time after which it must not be used any more. */
  idleUntilMs = 0;
  readonly #socket: Socket;
  readonly #parser: ResponseParser;
  #user: ConnectionUser | undefined;
  #error: Error | undefined;
  #ended = false;

  constructor(options: ConnectionOptions, user: ConnectionUser) {
    this.#user = user;
    this.#parser = new ResponseParser(options.marks);
    const socket = this.#open(options);
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, TCP_KEEP_ALIVE_MS);
    socket.on('end', () => this.#onEnd());
    socket.on('error', (error) => {
      this.#error = error;
    });
    socket.on('close', () => {
      options.onGone(this);
      const gone = this.#user;
      this.#user = undefined;
      gone?.onClosed(this.#error);
    });
  }

  /** Idle and sound: nothing unsent, not ended by the peer. */
  get usable(): boolean {
    return !this.#ended && !this.#socket.destroyed && this.#socket.writableLength === 0;
  }

  /** Gives the connection to the next exchange. */
  attach(user: ConnectionUser): void {
    this.#user = user;
    this.#parser.reset();
    this.#socket.ref();
  }

  /** The exchange is over; an idle connection does not keep the process alive. */
  detach(): void {
    this.#user = undefined;
    this.reused = true;
    this.#socket.unref();
  }

  write(bytes: Buffer): void {
    this.#socket.write(bytes);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Closes at once; `onGone` and the user are told. */
  close(): void {
    this.#socket.destroy();
  }

  /** Closes at once; nobody is told but `onGone`. */
  destroy(): void {
    this.#user = undefined;
    this.#socket.destroy();
  }

  #open(options: ConnectionOptions): Socket {
    const { hostname, port, tls } = options.target;
    if (tls === undefined) {
      const callback = (length: number, buffer: Uint8Array): boolean => {
        this.#onBytes(buffer as Buffer, length);
        return true;
      };
      const socket = netConnect({
        host: hostname,
        port,
        onread: { buffer: options.readBuffer, callback },
      });
      socket.on('connect', () => this.#user?.onConnected());
      return socket;
    }
    // Node sends no server name (SNI) of its own accord, and must not for an address.
    const named = isIP(hostname) === 0 ? { servername: tls.servername ?? hostname } : {};
    const target = { host: hostname, port, ALPNProtocols: ['http/1.1'] };
    const socket = tlsConnect({ ...tls, ...named, ...target });
    socket.on('secureConnect', () => this.#user?.onConnected());
    socket.on('data', (bytes: Buffer) => this.#onBytes(bytes, bytes.length));
    return socket;
  }

  #onBytes(buffer: Buffer, length: number): void {
    const user = this.#user;
    if (user === undefined) {
      // Bytes that nobody asked for: the peer and we disagree about where its responses end.
      this.destroy();
      return;
    }
    try {
      this.#parser.feed(buffer, length);
    } catch (thrown) {
      this.#refuse(user, thrown);
      return;
    }
    user.onParsed(this.#parser);
  }

  #onEnd(): void {
    this.#ended = true;
    const user = this.#user;
    if (user !== undefined && !this.#parser.untouched) {
      try {
        this.#parser.feed(EMPTY, 0);
        this.#parser.endOfInput();
        user.onParsed(this.#parser);
        return;
      } catch (thrown) {
        if (!(thrown instanceof HttpParseError)) throw thrown;
        this.#error = thrown;
      }
    }
    this.#socket.destroy();
  }

  #refuse(user: ConnectionUser, thrown: unknown): void {
    if (!(thrown instanceof HttpParseError)) throw thrown;
    this.destroy();
    user.onProtocolError(thrown);
  }
}
