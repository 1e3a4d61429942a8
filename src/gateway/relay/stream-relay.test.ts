import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { WireRead } from '../../protocol/ports.ts';
import { createStreamRelay, type StreamRelayOptions } from './stream-relay.ts';

/** One read as the HTTP client gives it: each part is a chunk, cut off where the read ends. */
function readOf(parts: readonly (string | Uint8Array)[], wholeChunks = true): WireRead {
  const pieces: Buffer[] = [Buffer.from('HTTP/1.1 200 OK\r\n\r\n')];
  const spans: number[] = [];
  let at = pieces[0]?.length ?? 0;
  const start = at;
  for (const part of parts) {
    const payload = Buffer.from(part);
    const head = Buffer.from(`${payload.length.toString(16)}\r\n`);
    pieces.push(head, payload, Buffer.from('\r\n'));
    spans.push(at + head.length, at + head.length + payload.length);
    at += head.length + payload.length + 2;
  }
  const buffer = Buffer.concat([...pieces, Buffer.from('0\r\n\r\n')]);
  const spanCount = parts.length;
  return { buffer, start, end: at, spans: Int32Array.from(spans), spanCount, wholeChunks };
}

/** Decodes chunk framing; throws where it is not exact. */
function unframe(framed: Buffer): Buffer {
  const parts: Buffer[] = [];
  let at = 0;
  while (at < framed.length) {
    const lineEnd = framed.indexOf('\r\n', at);
    const size = Number.parseInt(framed.toString('latin1', at, lineEnd), 16);
    assert.ok(size > 0, 'a chunk of no bytes would end the body');
    const dataEnd = lineEnd + 2 + size;
    parts.push(framed.subarray(lineEnd + 2, dataEnd));
    assert.equal(framed.toString('latin1', dataEnd, dataEnd + 2), '\r\n');
    at = dataEnd + 2;
  }
  return Buffer.concat(parts);
}

interface Relayed {
  readonly text: string;
  /** What each read and the end gave. */
  readonly outputs: readonly string[];
  readonly complete: boolean;
  readonly why: string;
  readonly fault: string | undefined;
}

function relay(reads: readonly WireRead[], options: Partial<StreamRelayOptions> = {}): Relayed {
  const stream = createStreamRelay({ closingComment: () => undefined, ...options });
  const outputs: string[] = [];
  for (const read of reads) {
    const bytes = stream.push(read);
    // The read's buffer is used again: what was given must be a copy.
    read.buffer.fill('#');
    outputs.push(unframe(Buffer.from(bytes ?? [])).toString());
  }
  const { bytes, complete, why } = stream.finish();
  outputs.push(unframe(Buffer.from(bytes ?? [])).toString());
  return { text: outputs.join(''), outputs, complete, why, fault: stream.fault?.kind };
}

const data = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`;
const delta = (content: string, finish: string | null = null) =>
  data({
    id: 'up',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'm',
    choices: [{ index: 0, delta: { content }, finish_reason: finish }],
  });
const USAGE = data({
  id: 'up',
  created: 1,
  model: 'm',
  choices: [],
  usage: { prompt_tokens: 1, completion_tokens: 2 },
});
const DONE = 'data: [DONE]\n\n';
const STREAM = [delta('one'), delta(' two'), delta('', 'stop'), USAGE, DONE];

describe('stream relay', () => {
  it('passes whole events in whole chunks on with the framing of the upstream', () => {
    const stream = createStreamRelay({ closingComment: () => undefined });
    const read = readOf(STREAM);
    const expected = read.buffer.subarray(read.start, read.end).toString();
    assert.equal(Buffer.from(stream.push(read) ?? []).toString(), expected);
    assert.deepEqual(stream.finish(), {
      bytes: undefined,
      complete: true,
      why: 'the stream said [DONE]',
    });
  });

  it('is byte-exact for every split of the payload, with and without whole chunks', () => {
    const wire = Buffer.from(`: hi\n\n${STREAM.join('')}`);
    for (let cut = 0; cut <= wire.length; cut += 1) {
      for (const whole of [true, false]) {
        const pieces = [wire.subarray(0, cut), wire.subarray(cut)].filter((one) => one.length > 0);
        assert.equal(relay(pieces.map((one) => readOf([one], whole))).text, wire.toString());
        assert.equal(relay([readOf(pieces, whole)]).text, wire.toString());
      }
    }
  });

  it('is byte-exact for random streams, cut into reads and chunks at random', () => {
    const eol = fc.constantFrom('\n', '\n', '\r\n', '\r');
    const content = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constant('\n\ndata: [DONE]\n\n'),
      fc.constant('😀'),
    );
    const event = fc.oneof(
      content.map((text) => delta(text)),
      fc.constant(': keep-alive\n\n'),
      fc.constant('event: x\ndata: {"choices":\ndata: []}\n\n'),
    );
    const stream = fc
      .tuple(fc.array(event, { maxLength: 15 }), eol)
      .map(([events, end]) =>
        Buffer.from([...events, delta('', 'stop'), DONE].join('').replaceAll('\n', end)),
      );
    const cuts = fc.array(fc.record({ at: fc.nat(), read: fc.boolean() }), { maxLength: 25 });
    fc.assert(
      fc.property(stream, cuts, fc.boolean(), (wire, places, whole) => {
        const result = relay(cutReads(wire, places, whole));
        assert.equal(result.text, wire.toString());
        assert.equal(result.complete, true);
      }),
      { numRuns: 500 },
    );
  });

  it('never gives half an event, wherever the stream breaks', () => {
    const wire = Buffer.from(STREAM.slice(0, 2).join(''));
    const ends = [0, Buffer.byteLength(delta('one')), wire.length];
    for (let cut = 0; cut <= wire.length; cut += 1) {
      const result = relay(cut === 0 ? [] : [readOf([wire.subarray(0, cut)], false)]);
      const given = Buffer.byteLength(result.text);
      // What lacks only its empty line is whole, and gets it.
      assert.ok(ends.includes(given), `${given} bytes after a cut at ${cut}`);
      assert.equal(result.complete, false);
      assert.match(result.why, /without a finish reason/);
    }
  });

  describe('completeness', () => {
    it('needs [DONE] or the finish reason of every choice', () => {
      const finish = (index: number) =>
        data({ choices: [{ index, delta: {}, finish_reason: 'stop' }] });
      assert.equal(relay([readOf([delta('x')])]).complete, false);
      assert.equal(relay([]).complete, false);
      assert.equal(relay([readOf([delta('x'), DONE])]).complete, true);
      assert.equal(relay([readOf([finish(0)])], { choices: 2 }).complete, false);
      assert.equal(relay([readOf([finish(1), finish(0)])], { choices: 2 }).complete, true);
    });

    it('adds the [DONE] that an upstream left out after its finish reason', () => {
      const { text, complete } = relay([readOf([delta('x', 'stop')])]);
      assert.equal(complete, true);
      assert.equal(text, delta('x', 'stop') + DONE);
    });

    it('takes a last event that lacks its empty line, and not one cut within', () => {
      for (const lacking of ['\n', '\n\n']) {
        const last = (event: string) => event.slice(0, -lacking.length);
        const done = relay([readOf([delta('x'), last(DONE)])]);
        assert.equal(done.complete, true);
        assert.ok(done.text.startsWith(delta('x') + DONE));
        const finish = relay([readOf([delta('x'), last(delta('', 'stop'))])]);
        assert.equal(finish.complete, true);
        assert.ok(finish.text.endsWith(DONE));
      }
      const cut = relay([readOf([delta('x'), delta('', 'stop').slice(0, -5)])]);
      assert.equal(cut.complete, false);
      assert.equal(cut.text, delta('x'));
    });
  });

  describe('faults stop it, and what came before goes out', () => {
    const FAULTS = [
      ['error_event', data({ error: { message: 'CUDA', code: 500 } })],
      ['error_event', 'event: error\ndata: {"message":"x"}\n\n'],
      ['aborted', delta('', 'abort')],
      ['aborted', delta('', 'error')],
      ['aborted', delta('more', 'insufficient_system_resource')],
      ['malformed', 'data: {"choices":[{"delta":\n\n'],
      ['malformed', 'data: oops\n\n'],
    ] as const;
    for (const [kind, event] of FAULTS) {
      it(`${kind}: ${event.slice(0, 40).trim()}`, () => {
        for (const reads of [
          [readOf([delta('a'), event, DONE])],
          [readOf([delta('a') + event + DONE], false)],
          [
            readOf([delta('a')]),
            readOf([event.slice(0, 9)], false),
            readOf([event.slice(9), DONE]),
          ],
        ]) {
          const result = relay(reads);
          assert.equal(result.text, delta('a'));
          assert.equal(result.fault, kind);
          assert.equal(result.complete, false);
        }
      });
    }
  });

  it('puts the closing comment before [DONE], once, on one line (B11)', () => {
    const expected = [...STREAM.slice(0, -1), ': unbusy endpoint=a b\n\n', DONE].join('');
    const wire = Buffer.from(STREAM.join(''));
    for (let cut = 0; cut <= wire.length; cut += 1) {
      let asked = 0;
      const closingComment = () => {
        asked += 1;
        return 'unbusy endpoint=a\nb';
      };
      const pieces = [wire.subarray(0, cut), wire.subarray(cut)].filter((one) => one.length > 0);
      const { text } = relay(
        pieces.map((one) => readOf([one])),
        { closingComment },
      );
      assert.equal(text, expected);
      assert.equal(asked, 1);
    }
    const late = relay([readOf([delta('x', 'stop')])], { closingComment: () => 'c' });
    assert.equal(late.text, `${delta('x', 'stop')}: c\n\n${DONE}`);
  });

  it('patches id, model and created, renames reasoning and drops unwanted usage', () => {
    const thought = data({
      id: 'up',
      created: 1,
      model: 'm',
      choices: [{ delta: { reasoning: '"model":"m"' } }],
    });
    const patch = { id: 'ours', model: 'r1', created: 77, renameReasoning: true, dropUsage: true };
    const expected = [thought, ...STREAM]
      .filter((event) => event !== USAGE)
      .map((event) =>
        event
          .replace('"id":"up"', '"id":"ours"')
          .replace('"model":"m"', '"model":"r1"')
          .replace('"created":1', '"created":77')
          .replace('"reasoning"', '"reasoning_content"'),
      )
      .join('');
    const wire = Buffer.from(thought + STREAM.join(''));
    for (let cut = 0; cut <= wire.length; cut += 1) {
      const pieces = [wire.subarray(0, cut), wire.subarray(cut)].filter((one) => one.length > 0);
      assert.equal(
        relay(
          pieces.map((one) => readOf([one])),
          { patch },
        ).text,
        expected,
      );
    }
  });

  it('keeps the framing of reads in which the patch changes nothing', () => {
    const stream = createStreamRelay({ patch: { model: 'm' }, closingComment: () => undefined });
    const read = readOf([delta('a'), delta('b')]);
    const expected = read.buffer.subarray(read.start, read.end).toString();
    assert.equal(Buffer.from(stream.push(read) ?? []).toString(), expected);
  });

  it('patches data that is given in several lines', () => {
    const { text } = relay([readOf(['data: {"model":"m",\ndata: "choices":[]}\n\n'])], {
      patch: { model: 'r1' },
    });
    assert.equal(text, 'data: {"model":"r1", "choices":[]}\n\n');
  });

  it('leaves out an event with empty data, on which clients throw', () => {
    assert.equal(
      relay([readOf([delta('a'), 'data:\n\n', delta('b'), DONE])]).text,
      delta('a') + delta('b') + DONE,
    );
  });

  it('holds no more than a MiB: a larger event passes as it comes', () => {
    const large = delta('x'.repeat(3_000_000));
    const wire = Buffer.from(delta('a') + large + delta('b', 'stop') + DONE);
    const reads: WireRead[] = [];
    for (let at = 0; at < wire.length; at += 60_000)
      reads.push(readOf([wire.subarray(at, at + 60_000)]));
    const { text, outputs, complete } = relay(reads);
    assert.equal(text, wire.toString());
    assert.equal(complete, true);
    assert.ok(Math.max(...outputs.map((one) => one.length)) < 1_200_000);
  });
});

/** Cuts a payload into reads of one or more chunks. */
function cutReads(
  wire: Buffer,
  places: readonly { readonly at: number; readonly read: boolean }[],
  wholeChunks: boolean,
): WireRead[] {
  const sorted = places
    .map(({ at, read }) => ({ at: 1 + (at % (wire.length - 1)), read }))
    .sort((a, b) => a.at - b.at);
  const reads: WireRead[] = [];
  let parts: Buffer[] = [];
  let from = 0;
  for (const { at, read } of [...sorted, { at: wire.length, read: true }]) {
    if (at > from) parts.push(wire.subarray(from, at));
    from = at;
    if (!read || parts.length === 0) continue;
    reads.push(readOf(parts, wholeChunks));
    parts = [];
  }
  if (parts.length > 0) reads.push(readOf(parts, wholeChunks));
  return reads;
}
