/**
 * Reads the body of one request into memory, up to a limit.
 *
 * A body over the limit is read on and thrown away, up to as much again, before it is refused: a
 * client that is still sending when the connection closes sees a reset instead of the answer.
 */
import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { UnbusyError } from '../../core/errors.ts';

export type BodyResult =
  | { readonly kind: 'read'; readonly body: Buffer }
  /** `closing`: the rest of the body was not read, so that the connection cannot be used again. */
  | { readonly kind: 'refused'; readonly error: UnbusyError; readonly closing: boolean };

const noBody = Buffer.alloc(0);

/**
 * Calls back once with the body or why it is refused; never if the caller goes away first.
 * `beforeRead` runs when the head has been found good and the body is wanted (100 Continue).
 */
export function readBody(
  request: IncomingMessage,
  bytesMax: number,
  beforeRead: () => void,
  done: (result: BodyResult) => void,
): void {
  const declared = Number(request.headers['content-length'] ?? Number.NaN);
  const refusal = refusedHead(request, declared, bytesMax);
  if (refusal !== undefined) {
    if (declared > 0 || request.headers['transfer-encoding'] !== undefined) {
      // Nobody who asked for leave to send (100 Continue) is waited for.
      const hopeless = declared > 2 * bytesMax || request.headers.expect !== undefined;
      discardBody(request, hopeless ? 0 : bytesMax, (closing) =>
        done({ kind: 'refused', error: refusal, closing }),
      );
    } else done({ kind: 'refused', error: refusal, closing: false });
    return;
  }
  beforeRead();
  collectBody(request, bytesMax, done);
}

function collectBody(
  request: IncomingMessage,
  bytesMax: number,
  done: (result: BodyResult) => void,
): void {
  let chunks: Buffer[] = [];
  let size = 0;
  const onData = (chunk: Buffer) => {
    size += chunk.length;
    if (size <= bytesMax) {
      chunks.push(chunk);
      return;
    }
    chunks = [];
    request.off('data', onData);
    request.off('end', onEnd);
    const error = tooLarge(`more than ${bytesMax}`, bytesMax);
    discardBody(request, 2 * bytesMax - size, (closing) =>
      done({ kind: 'refused', error, closing }),
    );
  };
  const onEnd = () => {
    const body = chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : joined(chunks, size);
    if (isUtf8(body)) done({ kind: 'read', body });
    else done({ kind: 'refused', error: notUtf8(), closing: false });
  };
  request.on('data', onData);
  request.on('end', onEnd);
}

function joined(chunks: readonly Buffer[], size: number): Buffer {
  return size === 0 ? noBody : Buffer.concat(chunks, size);
}

/** Reads on for up to `bytesMax` without keeping anything; `true`: gave up before the end. */
function discardBody(
  request: IncomingMessage,
  bytesMax: number,
  done: (gaveUp: boolean) => void,
): void {
  let left = bytesMax;
  const onData = (chunk: Buffer) => {
    left -= chunk.length;
    if (left <= 0) giveUp();
  };
  const onEnd = () => done(false);
  const giveUp = () => {
    request.off('data', onData);
    request.off('end', onEnd);
    request.pause();
    done(true);
  };
  if (left <= 0) {
    giveUp();
    return;
  }
  request.on('data', onData);
  request.on('end', onEnd);
}

function refusedHead(
  request: IncomingMessage,
  declared: number,
  bytesMax: number,
): UnbusyError | undefined {
  if (declared > bytesMax) return tooLarge(String(declared), bytesMax);
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    return new UnbusyError(
      'invalid_request',
      'unsupported_encoding',
      `content-encoding ${JSON.stringify(encoding)} is not supported: send the body uncompressed`,
      { param: 'content-encoding' },
    );
  }
  const type = request.headers['content-type'];
  const charset = type === undefined ? undefined : /;\s*charset="?([^";\s]+)/i.exec(type)?.[1];
  if (charset !== undefined && !/^(utf-?8|us-ascii)$/i.test(charset)) {
    return new UnbusyError(
      'invalid_request',
      'invalid_json',
      `content-type has charset ${JSON.stringify(charset)}: send JSON as UTF-8`,
      { param: 'content-type' },
    );
  }
  return undefined;
}

function tooLarge(found: string, bytesMax: number): UnbusyError {
  return new UnbusyError(
    'too_large',
    'body_too_large',
    `the body has ${found} bytes; at most ${bytesMax} are allowed`,
    { facts: { allowed_bytes: bytesMax } },
  );
}

function notUtf8(): UnbusyError {
  return new UnbusyError('invalid_request', 'invalid_json', 'the body is not valid UTF-8', {});
}
