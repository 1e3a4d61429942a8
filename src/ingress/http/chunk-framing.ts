/**
 * HTTP/1.1 chunk framing (RFC 9112 section 7.1), as far as a writer needs it.
 */

/**
 * The payload of whole chunks, for callers who cannot take chunks (HTTP/1.0). Extensions are
 * dropped and a last chunk ends the payload. Throws where the bytes are not whole chunks.
 */
export function removeChunkFraming(framed: Uint8Array): Uint8Array {
  const bytes = Buffer.from(framed.buffer, framed.byteOffset, framed.byteLength);
  const payload: Buffer[] = [];
  let at = 0;
  while (at < bytes.length) {
    const lineEnd = bytes.indexOf('\r\n', at, 'latin1');
    const size =
      lineEnd < 0 ? Number.NaN : Number.parseInt(bytes.toString('latin1', at, lineEnd), 16);
    const end = lineEnd + 2 + size;
    if (size === 0) break;
    if (!(end + 2 <= bytes.length)) throw new Error('not whole chunks');
    payload.push(bytes.subarray(lineEnd + 2, end));
    at = end + 2;
  }
  return payload.length === 1 && payload[0] !== undefined ? payload[0] : Buffer.concat(payload);
}
