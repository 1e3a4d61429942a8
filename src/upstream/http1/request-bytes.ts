/**
 * One HTTP/1.1 request as the bytes that go on the wire, in a single buffer and so a single write.
 *
 * Nothing that came from outside may add a header or a second request: names must be tokens,
 * values and paths must be free of control characters (RFC 9110 §5.5, §5.6.2).
 */

export interface HttpRequest {
  readonly method: 'GET' | 'POST';
  /** Absolute path with query, percent-encoded. */
  readonly path: string;
  /** Sent besides host, user-agent, accept-encoding and content-length, which are set here. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | undefined;
  /** Longest silence between the request being out and the first byte of the response, ms. */
  readonly firstByteMs: number;
  /** Longest silence after that, ms. */
  readonly idleMs: number;
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** Visible ASCII, tab, space and obs-text. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const PATH = /^\/[\x21-\x7e]*$/;
const RESERVED = new Set([
  'host',
  'accept-encoding',
  'content-length',
  'transfer-encoding',
  'connection',
  'upgrade',
  'expect',
]);

/**
 * Encodes a request for `host` (as in a URL: name and port). Throws a `TypeError` that names the
 * path or header at fault, never its value, which may be a secret.
 */
export function encodeRequest(request: HttpRequest, host: string): Buffer {
  if (!PATH.test(request.path)) {
    throw new TypeError('the request path must begin with / and hold no spaces or control bytes');
  }
  let head =
    `${request.method} ${request.path} HTTP/1.1\r\n` +
    `host: ${host}\r\nuser-agent: unbusy\r\naccept-encoding: identity\r\n`;
  for (const name in request.headers) head += field(name, request.headers[name] ?? '');
  const body = request.body;
  if (body !== undefined) head += `content-length: ${body.length}\r\n`;
  head += '\r\n';
  const bytes = Buffer.allocUnsafe(head.length + (body?.length ?? 0));
  bytes.write(head, 'latin1');
  if (body !== undefined) bytes.set(body, head.length);
  return bytes;
}

function field(name: string, value: string): string {
  if (!TOKEN.test(name)) throw new TypeError(`not a header name: ${JSON.stringify(name)}`);
  if (RESERVED.has(name.toLowerCase())) {
    throw new TypeError(`header ${name} is set by the connection and cannot be given`);
  }
  if (!VALUE.test(value)) {
    throw new TypeError(`the value of header ${name} holds a line break or control character`);
  }
  return `${name}: ${value}\r\n`;
}
