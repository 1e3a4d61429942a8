/**
 * A caller that speaks HTTP by hand, for tests of what clients and proxies never show: the bytes,
 * when they come, and callers who misbehave.
 */
import { connect, type Socket } from 'node:net';

export interface RawCaller {
  readonly socket: Socket;
  send(text: string): void;
  /** Resolves with everything received once it matches; rejects if the connection ends before. */
  until(pattern: RegExp): Promise<string>;
  /** Resolves with everything received when the server has closed the connection. */
  closed(): Promise<string>;
}

/** Connects and begins to read, or not where `paused`. */
export function callRaw(port: number, options: { paused?: boolean } = {}): RawCaller {
  const socket = connect({ host: '127.0.0.1', port });
  let received = '';
  let over = false;
  const waiting = new Set<() => void>();
  const tellAll = () => {
    for (const check of waiting) check();
  };
  if (options.paused) socket.pause();
  else {
    socket.setEncoding('utf8').on('data', (text: string) => {
      received += text;
      tellAll();
    });
  }
  // A reset is one way to be closed.
  socket.on('error', () => {});
  socket.on('close', () => {
    over = true;
    tellAll();
  });

  function when(done: () => boolean): Promise<string> {
    return new Promise((resolve, reject) => {
      const check = () => {
        if (!done() && !over) return;
        waiting.delete(check);
        if (done()) resolve(received);
        else reject(new Error(`the connection ended after: ${received}`));
      };
      waiting.add(check);
      check();
    });
  }

  return {
    socket,
    send: (text) => socket.write(text),
    until: (pattern) => when(() => pattern.test(received)),
    closed: () => when(() => over),
  };
}

/** A request head and body with the right length. */
export function rawPost(path: string, body: string, headers = ''): string {
  const length = Buffer.byteLength(body);
  return `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-length: ${length}\r\n${headers}\r\n${body}`;
}
