import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { RequestRecord } from '../protocol/telemetry.ts';
import { createLogSink, type LogOptions } from './log.ts';

const record: RequestRecord = {
  id: 'req_0123456789abcdefghjkmnpq',
  route: 'POST /v1/chat/completions',
  model: 'pocket-r1',
  tenant: 'team-a',
  requestClass: 'interactive',
  stream: true,
  outcome: 'completed',
  status: 200,
  endpoint: 'demo',
  relay: 'raw',
  attempts: [{ endpoint: 'demo', result: 'ok' }],
  queueMs: 0,
  predictedQueueMs: 0,
  firstTokenMs: 12.4,
  durationMs: 1_312,
  usage: { promptTokens: 14, completionTokens: 210, reasoningTokens: 90, cachedTokens: 0 },
};

const failed: RequestRecord = {
  ...record,
  outcome: 'failed',
  status: 502,
  errorCode: 'upstream_failed',
  attempts: [
    { endpoint: 'a', result: 'reset' },
    { endpoint: 'b', result: 'timeout' },
  ],
};

function capture(over: Partial<LogOptions> = {}) {
  const lines: string[] = [];
  const write = (line: string) => lines.push(line);
  const now = () => Date.UTC(2026, 10, 23, 12, 0, 0, 120);
  return { lines, sink: createLogSink({ format: 'text', write, now, level: 'info', ...over }) };
}

test('H1: a settled request is one aligned line of at most 120 columns', () => {
  const { lines, sink } = capture();
  sink.requestSettled(record);
  sink.requestSettled({ ...record, model: 'r1', queueMs: 61_000, durationMs: 1_812_000 });
  const [first = '', second = ''] = lines;
  assert.match(
    first,
    /^\d\d:\d\d:\d\d 200 completed {3}pocket-r1 {5}team-a {4}wait 0ms {3}first 12ms {2}in 1\.3s {2}14\+210 {5}req_0123456789abcdefghjkmnpq\n$/,
  );
  assert.ok(first.length <= 121, `${first.length - 1} columns`);
  assert.equal(second.indexOf('wait 61s'), first.indexOf('wait 0ms'));
  assert.equal(second.indexOf('in 30m'), first.indexOf('in 1.3s'));
  assert.equal(second.indexOf('req_'), first.indexOf('req_'));
});

test('B11: a warning stands at the end and does not move the columns', () => {
  const { lines, sink } = capture();
  sink.requestSettled({ ...record, warning: 'cut-in-thought' });
  assert.match(lines[0] as string, /req_0123456789abcdefghjkmnpq cut-in-thought\n$/);
});

test('a request that went wrong says with what code and after which attempts', () => {
  const { lines, sink } = capture();
  sink.requestSettled(failed);
  assert.match(lines[0] as string, /502 failed .* upstream_failed after a:reset, b:timeout req_/);
});

test('the JSON form holds everything, in snake_case, on one line', () => {
  const { lines, sink } = capture({ format: 'json' });
  sink.requestSettled(failed);
  assert.equal(lines[0]?.indexOf('\n'), (lines[0]?.length as number) - 1);
  const { usage, ...rest } = failed;
  const parsed = JSON.parse(lines[0] as string);
  assert.equal(parsed.time, '2026-11-23T12:00:00.120Z');
  assert.equal(parsed.level, 'error');
  assert.equal(parsed.event, 'request');
  assert.equal(parsed.usage.completion_tokens, usage?.completionTokens);
  for (const [key, value] of Object.entries(rest)) {
    const snake = key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    assert.deepEqual(parsed[snake], value, key);
  }
});

test('states and notes say what, where and why', () => {
  const { lines, sink } = capture();
  sink.endpointState('demo', 'down', 'exit code 139');
  sink.note('warn', 'config_unused', { key: 'a b', count: 2, error: new Error('no') });
  assert.match(lines[0] as string, /endpoint demo is down \(exit code 139\)\n$/);
  assert.match(lines[1] as string, /warn config_unused key="a b" count=2 error=no\n$/);
});

test('what is below the level is not written', () => {
  const { lines, sink } = capture({ level: 'warn' });
  sink.requestSettled(record);
  sink.requestSettled({ ...failed, outcome: 'failed', status: 400 });
  sink.endpointState('demo', 'ready', undefined);
  sink.note('info', 'x', {});
  assert.equal(lines.length, 0);
  sink.requestSettled({ ...failed, outcome: 'refused', status: 503 });
  sink.endpointState('demo', 'down', undefined);
  sink.note('error', 'x', {});
  assert.equal(lines.length, 3);
});

test('colours only when told', () => {
  for (const color of [false, true]) {
    const { lines, sink } = capture({ color });
    sink.requestSettled(record);
    sink.endpointState('demo', 'down', undefined);
    assert.equal(lines.join('').includes('\u001b['), color);
  }
});

test('nothing that a caller chooses can forge a line or reach the terminal as a command', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (a, b) => {
      const { lines, sink } = capture();
      const chosen = { model: a, tenant: b, id: a, warning: b };
      sink.requestSettled({ ...record, ...chosen });
      sink.requestSettled({ ...failed, ...chosen, errorCode: b });
      sink.note('info', 'x', { [a]: b });
      for (const line of lines) assert.match(line, /^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]*\n$/u);
    }),
  );
});
