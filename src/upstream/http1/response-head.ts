/**
 * The head of an HTTP/1.1 response: status line and header fields to a `ResponseHead`.
 *
 * Strict where leniency would let two readers see two different messages (RFC 9112 §6.3, §11):
 * a repeated or conflicting Content-Length, Content-Length beside Transfer-Encoding, folded lines
 * and control characters are errors, never guesses. Holds the lines of one head at a time.
 */

/** How the end of the body is known. */
export type BodyFraming =
  | { readonly kind: 'none' }
  | { readonly kind: 'chunked' }
  | { readonly kind: 'length'; readonly length: number }
  | { readonly kind: 'close' };

export interface ResponseHead {
  readonly status: number;
  /** Names in lower case; repeated fields are joined by `, `. */
  readonly headers: ReadonlyMap<string, string>;
  readonly framing: BodyFraming;
  /** The server lets the connection be used again after this response. */
  readonly keepAlive: boolean;
}

/** The upstream did not speak HTTP/1.1 as it is written. The message says what was found. */
export class HttpParseError extends Error {
  override readonly name = 'HttpParseError';
}

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9][0-9]{2})(?: |$)/;
const FIELD_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** Everything below a space but the tab, and DEL: never part of a header field (RFC 9110 §5.5). */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const CONTROL = /[\x00-\x08\x0a-\x1f\x7f]/;
/** Far beyond any real Content-Length and still exact in a double. */
const LENGTH_DIGITS_MAX = 15;

/** Splits `name: value`, refusing what could be read in two ways. Name in lower case. */
export function parseField(line: string): { readonly name: string; readonly value: string } {
  const first = line.charCodeAt(0);
  if (first === 32 || first === 9) throw new HttpParseError('a header line is folded (obs-fold)');
  const colon = line.indexOf(':');
  const name = line.slice(0, Math.max(colon, 0));
  if (!FIELD_NAME.test(name)) {
    throw new HttpParseError(`bad header field: ${JSON.stringify(line.slice(0, 60))}`);
  }
  const value = line.slice(colon + 1).trim();
  if (CONTROL.test(value)) {
    throw new HttpParseError(`control character in the value of header ${name}`);
  }
  return { name: name.toLowerCase(), value };
}

/** Collects the lines of one head. */
export class HeadReader {
  #minor = 1;
  #status = 0;
  #headers = new Map<string, string>();

  /** The status line has been read. */
  get begun(): boolean {
    return this.#status !== 0;
  }

  /** Takes one line without its CRLF; the first is the status line. */
  line(text: string): void {
    if (this.#status === 0) {
      const match = STATUS_LINE.exec(text);
      if (match === null) {
        throw new HttpParseError(
          `not an HTTP/1.1 status line: ${JSON.stringify(text.slice(0, 60))}`,
        );
      }
      this.#minor = Number(match[1]);
      this.#status = Number(match[2]);
      return;
    }
    const { name, value } = parseField(text);
    const earlier = this.#headers.get(name);
    if (earlier !== undefined && name === 'content-length') {
      throw new HttpParseError(`content-length given twice: ${earlier} and ${value}`);
    }
    this.#headers.set(name, earlier === undefined ? value : `${earlier}, ${value}`);
  }

  /** The empty line has come: the head as a whole; the reader is ready for the next one. */
  finish(): ResponseHead {
    const status = this.#status;
    if (status === 0) throw new HttpParseError('an empty line where a status line should be');
    const headers = this.#headers;
    const framing = framingOf(status, this.#minor, headers);
    const connection = tokens(headers.get('connection'));
    const keepAlive =
      framing.kind !== 'close' &&
      !connection.includes('close') &&
      (this.#minor === 1 || connection.includes('keep-alive'));
    this.#status = 0;
    this.#headers = new Map();
    return { status, headers, framing, keepAlive };
  }

  reset(): void {
    this.#status = 0;
    this.#headers = new Map();
  }
}

/** RFC 9112 §6.3, in its order, with its "ought to be handled as an error" taken as an error. */
function framingOf(
  status: number,
  minor: number,
  headers: ReadonlyMap<string, string>,
): BodyFraming {
  if (status < 200 || status === 204 || status === 304) return { kind: 'none' };
  const length = headers.get('content-length');
  const coding = headers.get('transfer-encoding');
  if (coding !== undefined) {
    if (length !== undefined) {
      throw new HttpParseError('both transfer-encoding and content-length are given');
    }
    if (minor === 0) throw new HttpParseError('transfer-encoding in an HTTP/1.0 response');
    if (coding.toLowerCase() !== 'chunked') {
      throw new HttpParseError(`transfer-encoding ${JSON.stringify(coding)}, expected chunked`);
    }
    return { kind: 'chunked' };
  }
  if (length === undefined) return { kind: 'close' };
  if (!/^[0-9]+$/.test(length) || length.length > LENGTH_DIGITS_MAX) {
    throw new HttpParseError(`bad content-length: ${JSON.stringify(length.slice(0, 60))}`);
  }
  return { kind: 'length', length: Number(length) };
}

function tokens(value: string | undefined): readonly string[] {
  if (value === undefined) return [];
  return value
    .toLowerCase()
    .split(',')
    .map((token) => token.trim());
}
