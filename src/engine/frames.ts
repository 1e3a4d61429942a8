/**
 * Message framing between gateway and engine: 4 bytes of little-endian length, then that many bytes
 * of UTF-8 JSON. The reader takes bytes cut anywhere; it owns the unfinished frame, nothing else.
 */

/** A frame larger than this is a fault: the longest context's worth of text is far below it. */
export const frameBytesMax = 256 * 1024 * 1024;

const headerBytes = 4;

/** One message as a frame. Throws RangeError above `frameBytesMax`. */
export function encodeFrame(message: unknown): Buffer {
  const json = JSON.stringify(message);
  const bytes = Buffer.byteLength(json);
  if (bytes > frameBytesMax) throw new RangeError(`a message of ${bytes} bytes`);
  const frame = Buffer.allocUnsafe(headerBytes + bytes);
  frame.writeUInt32LE(bytes, 0);
  frame.write(json, headerBytes);
  return frame;
}

export interface FrameReader {
  /** Takes what one read brought. Throws RangeError on a length that is not ours. */
  push(chunk: Buffer): void;
}

/** Calls `onMessage` once per whole frame, in order. */
export function createFrameReader(onMessage: (message: unknown) => void): FrameReader {
  let parts: Buffer[] = [];
  let held = 0;
  /** Bytes that make the next step possible: a header, or a header with its body. */
  let wanted = headerBytes;

  const take = (all: Buffer): Buffer => {
    let rest = all;
    for (;;) {
      if (rest.length < headerBytes) break;
      const bytes = rest.readUInt32LE(0);
      if (bytes > frameBytesMax) throw new RangeError(`a frame of ${bytes} bytes`);
      wanted = headerBytes + bytes;
      if (rest.length < wanted) return rest;
      onMessage(JSON.parse(rest.toString('utf8', headerBytes, wanted)));
      rest = rest.subarray(wanted);
    }
    wanted = headerBytes;
    return rest;
  };

  return {
    push(chunk) {
      parts.push(chunk);
      held += chunk.length;
      if (held < wanted) return;
      const [first] = parts;
      const rest = take(parts.length === 1 && first !== undefined ? first : Buffer.concat(parts));
      parts = rest.length === 0 ? [] : [rest];
      held = rest.length;
    },
  };
}
