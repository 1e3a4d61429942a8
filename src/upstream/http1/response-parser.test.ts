import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ReadMarks } from './read-marks.ts';
import { HttpParseError, type ResponseHead } from './response-head.ts';
import { PARSER_LIMITS, ResponseParser } from './response-parser.ts';

interface Parsed {
  readonly head: ResponseHead | undefined;
  readonly payload: string;
  readonly complete: boolean;
  readonly excess: boolean;
  /** What the reads that may be forwarded as they are would put on the wire. */
  readonly forwarded: string;
  readonly reads: number;
  readonly wholeReads: number;
}

/** Feeds the pieces through one shared buffer, as the connection does. */
function parse(pieces: readonly (string | Buffer)[], endOfInput = false): Parsed {
  const marks = new ReadMarks();
  const parser = new ResponseParser(marks);
  const shared = Buffer.alloc(65_536, 'x');
  const seen = { payload: '', forwarded: '', reads: 0, wholeReads: 0 };
  for (const piece of pieces) {
    const bytes = typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece;
    bytes.copy(shared);
    parser.feed(shared, bytes.length);
    let payload = '';
    for (let span = 0; span < marks.spanCount; span += 1) {
      payload += shared.toString('latin1', marks.spans[2 * span], marks.spans[2 * span + 1]);
    }
    seen.payload += payload;
    seen.reads += 1;
    if (marks.wholeChunks && marks.end > marks.start) {
      seen.wholeReads += 1;
      seen.forwarded += shared.toString('latin1', marks.start, marks.end);
    } else if (payload !== '') {
      seen.forwarded += `${payload.length.toString(16)}\r\n${payload}\r\n`;
    }
  }
  if (endOfInput) parser.endOfInput();
  return { ...seen, head: parser.head, complete: parser.complete, excess: parser.excess };
}

function bytesOneByOne(text: string): string[] {
  return [...text];
}

const CHUNKED = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n';

/** The table of bodies: wire bytes, payload, whether the connection's end is part of it. */
const BODIES: readonly {
  readonly name: string;
  readonly wire: string;
  readonly payload: string;
  readonly ends?: boolean;
  readonly status?: number;
}[] = [
  {
    name: 'chunked',
    wire: `${CHUNKED}5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n`,
    payload: 'hello world',
  },
  { name: 'chunked and empty', wire: `${CHUNKED}0\r\n\r\n`, payload: '' },
  {
    name: 'chunked whose payload looks like framing',
    wire: `${CHUNKED}7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n`,
    payload: '\r\n0\r\n\r\n',
  },
  {
    name: 'chunk extensions',
    wire: `${CHUNKED}5;a=b;c="d;e"\r\nhello\r\n1 ;x\r\n!\r\n0;last\r\n\r\n`,
    payload: 'hello!',
  },
  {
    name: 'upper-case and padded sizes',
    wire: `${CHUNKED}00A \r\n0123456789\r\n000\r\n\r\n`,
    payload: '0123456789',
  },
  {
    name: 'trailers',
    wire: `${CHUNKED}2\r\nhi\r\n0\r\nx-checksum: 1\r\nexpires: never\r\n\r\n`,
    payload: 'hi',
  },
  {
    name: 'content-length',
    wire: 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello',
    payload: 'hello',
  },
  { name: 'content-length 0', wire: 'HTTP/1.1 200\r\ncontent-length:0\r\n\r\n', payload: '' },
  {
    name: 'close-delimited',
    wire: 'HTTP/1.1 200 OK\r\na: b\r\n\r\nhello',
    payload: 'hello',
    ends: true,
  },
  {
    name: 'interim responses first',
    wire: `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n${CHUNKED}1\r\nx\r\n0\r\n\r\n`,
    payload: 'x',
  },
  {
    name: '204',
    wire: 'HTTP/1.1 204 No Content\r\ncontent-length: 7\r\n\r\n',
    payload: '',
    status: 204,
  },
  { name: '304', wire: 'HTTP/1.1 304 Not Modified\r\netag: "x"\r\n\r\n', payload: '', status: 304 },
];

describe('response parser', () => {
  for (const { name, wire, payload, ends = false, status = 200 } of BODIES) {
    it(`finds the same payload at every split point: ${name}`, () => {
      for (let cut = 0; cut <= wire.length; cut += 1) {
        const result = parse([wire.slice(0, cut), wire.slice(cut)], ends);
        assert.equal(result.payload, payload, `cut at ${cut}`);
        assert.equal(result.complete, true, `cut at ${cut}`);
        assert.equal(result.excess, false, `cut at ${cut}`);
        assert.equal(result.head?.status, status);
      }
      const result = parse(bytesOneByOne(wire), ends);
      assert.equal(result.payload, payload);
      assert.equal(result.complete, true);
    });

    it(`is not complete before the last byte: ${name}`, () => {
      for (let cut = 0; cut < wire.length; cut += 1) {
        assert.equal(parse([wire.slice(0, cut)]).complete, false, `cut at ${cut}`);
      }
    });
  }

  it('marks a read of whole chunks, without the last chunk and its trailers', () => {
    const head = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n';
    const chunks = '5\r\nhello\r\n1\r\n!\r\n';
    const marks = new ReadMarks();
    const parser = new ResponseParser(marks);
    const buffer = Buffer.from(`${head}${chunks}0\r\nx: y\r\n\r\n`);
    parser.feed(buffer, buffer.length);
    assert.equal(marks.wholeChunks, true);
    assert.equal(buffer.toString('latin1', marks.start, marks.end), chunks);
  });

  it('does not offer chunks with extensions, or parts of chunks, for forwarding', () => {
    assert.equal(parse([CHUNKED, '5;a=b\r\nhello\r\n']).wholeReads, 0);
    assert.equal(parse([CHUNKED, '5\r\nhel']).wholeReads, 0);
    assert.equal(parse([`${CHUNKED}5\r\nhello`, '\r\n1\r\n!\r\n']).wholeReads, 0);
    assert.equal(parse([`${CHUNKED}5`, '\r\nhello\r\n']).wholeReads, 0);
  });

  it('takes bytes after the end for a protocol error that costs only the connection', () => {
    for (const { wire, ends } of BODIES) {
      if (ends) continue;
      const result = parse([`${wire}HTTP/1.1 200 OK\r\n`]);
      assert.equal(result.complete, true);
      assert.equal(result.excess, true);
      assert.equal(parse([wire, 'x']).excess, true);
    }
  });

  it('joins repeated fields and lower-cases names', () => {
    const { head } = parse(['HTTP/1.1 200 OK\r\nX-A: 1 \r\nx-a:\t2\r\ncontent-length: 0\r\n\r\n']);
    assert.equal(head?.headers.get('x-a'), '1, 2');
  });

  it('says whether the connection may be used again', () => {
    const keep = (head: string) => parse([`${head}\r\n\r\n`]).head?.keepAlive;
    assert.equal(keep('HTTP/1.1 200 OK\r\ncontent-length: 1'), true);
    assert.equal(keep('HTTP/1.1 200 OK\r\ncontent-length: 1\r\nConnection: Close'), false);
    assert.equal(keep('HTTP/1.0 200 OK\r\ncontent-length: 1'), false);
    assert.equal(keep('HTTP/1.0 200 OK\r\ncontent-length: 1\r\nconnection: Keep-Alive'), true);
    assert.equal(keep('HTTP/1.1 200 OK'), false);
  });

  const TRUNCATED = [
    ['nothing at all', ''],
    ['half a head', 'HTTP/1.1 200 OK\r\na: b'],
    ['half a content-length body', 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf'],
    ['half a chunk', `${CHUNKED}5\r\nhe`],
    ['no last chunk', `${CHUNKED}2\r\nhe\r\n`],
    ['half a last chunk', `${CHUNKED}0\r\n`],
  ] as const;
  for (const [name, wire] of TRUNCATED) {
    it(`reports an end of the connection that comes too early: ${name}`, () => {
      assert.throws(() => parse([wire], true), /the connection ended in the (head|body)/);
    });
  }

  const REFUSED = [
    ['not HTTP', 'SSH-2.0-OpenSSH_9.2\r\n', /not an HTTP\/1.1 status line/],
    ['HTTP/2', 'HTTP/2 200\r\n', /status line/],
    ['a status of two digits', 'HTTP/1.1 20 OK\r\n', /status line/],
    ['an empty line first', '\r\n', /empty line/],
    ['a bare LF', 'HTTP/1.1 200 OK\ncontent-length: 0\n\n', /without CR/],
    ['a bare CR', 'HTTP/1.1 200 OK\r\na: b\rc: d\r\n\r\n', /control character/],
    ['obs-fold', 'HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n', /folded/],
    ['a space before the colon', 'HTTP/1.1 200 OK\r\na : b\r\n', /bad header field/],
    ['a field without a colon', 'HTTP/1.1 200 OK\r\nabc\r\n', /bad header field/],
    ['a NUL in a value', 'HTTP/1.1 200 OK\r\na: \0\r\n', /control character/],
    [
      'conflicting lengths',
      'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n',
      /twice/,
    ],
    [
      'duplicate lengths',
      'HTTP/1.1 200 OK\r\ncontent-length: 1\r\nContent-Length: 1\r\n\r\n',
      /twice/,
    ],
    ['a list of lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 1, 1\r\n\r\n', /bad content-length/],
    ['a signed length', 'HTTP/1.1 200 OK\r\ncontent-length: +1\r\n\r\n', /bad content-length/],
    ['an empty length', 'HTTP/1.1 200 OK\r\ncontent-length:\r\n\r\n', /bad content-length/],
    [
      'a length beside chunked',
      'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n',
      /both transfer-encoding and content-length/,
    ],
    [
      'gzip, chunked',
      'HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n',
      /expected chunked/,
    ],
    ['chunked in HTTP/1.0', 'HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n', /HTTP\/1.0/],
    ['an upgrade', 'HTTP/1.1 101 Switching Protocols\r\n\r\n', /status 101/],
    ['an empty chunk size', `${CHUNKED}\r\n`, /where a chunk size should be/],
    ['a chunk size that is no number', `${CHUNKED}xyz\r\n`, /where a chunk size should be/],
    ['a chunk size with 0x', `${CHUNKED}0x5\r\n`, /in a chunk size/],
    ['a negative chunk size', `${CHUNKED}-5\r\n`, /where a chunk size should be/],
    ['two chunk sizes', `${CHUNKED}5 5\r\n`, /in a chunk size/],
    ['a chunk size beyond all reason', `${CHUNKED}ffffffffffff\r\n`, /too long/],
    ['a chunk size line that ends in LF', `${CHUNKED}5\nhello`, /in a chunk size/],
    ['a chunk longer than its size', `${CHUNKED}3\r\nhello\r\n`, /after a chunk/],
    ['a LF in an extension', `${CHUNKED}3;a\nb\r\n`, /in a chunk extension/],
    ['a bad trailer', `${CHUNKED}0\r\n: x\r\n`, /bad header field/],
    ['a bare LF after a trailer', `${CHUNKED}0\r\na: b\n\n`, /without CR/],
  ] as const;
  for (const [name, wire, message] of REFUSED) {
    it(`refuses ${name}, whole and byte by byte`, () => {
      const matches = (error: unknown) =>
        error instanceof HttpParseError && message.test(error.message);
      assert.throws(() => parse([wire]), matches);
      assert.throws(() => parse(bytesOneByOne(wire)), matches);
    });
  }

  it('bounds the head, the number of fields, interim responses and chunk extensions', () => {
    const start = 'HTTP/1.1 200 OK\r\n';
    const long = `a: ${'b'.repeat(PARSER_LIMITS.headBytesMax)}`;
    assert.throws(() => parse([start, long]), /longer than 32768 bytes/);
    const fields = (count: number) => 'a: b\r\n'.repeat(count);
    assert.doesNotThrow(() => parse([start, fields(PARSER_LIMITS.headFieldsMax), '\r\n']));
    assert.throws(
      () => parse([start, fields(PARSER_LIMITS.headFieldsMax + 1)]),
      /128 header fields/,
    );
    assert.throws(
      () => parse(['HTTP/1.1 100 Continue\r\n\r\n'.repeat(17)]),
      /more than 16 interim/,
    );
    assert.throws(() => parse([CHUNKED, `1;${'a'.repeat(4096)}`]), /longer than 4096 bytes/);
    assert.throws(() => parse([CHUNKED, '0\r\n', fields(129)]), /128 header fields/);
  });

  it('serves one response after another on the same connection', () => {
    const marks = new ReadMarks();
    const parser = new ResponseParser(marks);
    for (const { wire, payload, ends } of BODIES) {
      const bytes = Buffer.from(wire, 'latin1');
      parser.feed(bytes, bytes.length);
      if (ends) parser.endOfInput();
      assert.equal(parser.complete, true);
      let found = '';
      for (let span = 0; span < marks.spanCount; span += 1) {
        found += bytes.toString('latin1', marks.spans[2 * span], marks.spans[2 * span + 1]);
      }
      assert.equal(found, payload);
      parser.reset();
    }
  });

  const chunk = fc.record({
    data: fc.uint8Array({ minLength: 1, maxLength: 300 }),
    extension: fc.option(fc.constantFrom(';a', ';a=b', ' ;x="y;z"'), { nil: '', freq: 4 }),
  });
  const chunkedBody = fc.array(chunk, { maxLength: 120 }).map((chunks) => ({
    payload: Buffer.concat(chunks.map(({ data }) => data)),
    wire: Buffer.concat([
      Buffer.from(CHUNKED),
      ...chunks.flatMap(({ data, extension }) => [
        Buffer.from(`${data.length.toString(16)}${extension}\r\n`),
        data,
        Buffer.from('\r\n'),
      ]),
      Buffer.from('0\r\n\r\n'),
    ]),
  }));

  it('is invariant under splits, and what may be forwarded decodes to the payload', () => {
    fc.assert(
      fc.property(chunkedBody, fc.array(fc.nat(), { maxLength: 40 }), ({ payload, wire }, cuts) => {
        const places = [...new Set(cuts.map((cut) => cut % wire.length))].sort((a, b) => a - b);
        const pieces = [0, ...places].map((from, i) => wire.subarray(from, places[i]));
        const result = parse(pieces);
        assert.equal(result.payload, payload.toString('latin1'));
        assert.equal(result.complete, true);
        const forwarded = parse([CHUNKED, `${result.forwarded}0\r\n\r\n`]);
        assert.equal(forwarded.payload, result.payload);
      }),
      { numRuns: 300 },
    );
  });

  it('survives arbitrary bytes: a result or an HttpParseError, nothing else', () => {
    const noise = fc.oneof(
      fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
      fc
        .array(
          fc.constantFrom('HTTP/1.1 200 OK', '\r\n', 'a: b', ':', '5', 'hello', ';', '\0', ' '),
        )
        .map((parts) => Buffer.from(parts.join(''))),
    );
    fc.assert(
      fc.property(fc.array(noise, { maxLength: 8 }), fc.boolean(), (pieces, prefixed) => {
        try {
          parse(prefixed ? [CHUNKED, ...pieces] : pieces);
        } catch (thrown) {
          assert.ok(thrown instanceof HttpParseError, String(thrown));
        }
      }),
      { numRuns: 500 },
    );
  });
});
