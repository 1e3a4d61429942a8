import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  errorFromFailure,
  errorFromObject,
  errorFromStatus,
  readErrorBody,
  retryAfterMs,
} from './openai-error.ts';

const NO_HEADERS = new Map<string, string>();
const judge = (status: number, body = '{}') =>
  errorFromStatus('e1', status, NO_HEADERS, Buffer.from(body), 0);

describe('upstream errors', () => {
  const BODIES = [
    [
      'OpenAI, nested',
      '{"error":{"message":"m","type":"t","param":"p","code":"c"}}',
      { message: 'm', type: 't', param: 'p', code: 'c' },
    ],
    [
      'vLLM, code as a number',
      '{"error":{"message":"m","type":"BadRequestError","param":null,"code":400}}',
      { message: 'm', type: 'BadRequestError', param: undefined, code: 400 },
    ],
    [
      'SGLang and older vLLM, flat',
      '{"object":"error","message":"m","type":"t","param":null,"code":400}',
      { message: 'm', type: 't', param: undefined, code: 400 },
    ],
    [
      'TGI and Triton, a bare string',
      '{"error":"m","error_type":"overloaded"}',
      { message: 'm', type: 'overloaded' },
    ],
    [
      'FastAPI',
      '{"detail":"Not Found"}',
      { message: 'Not Found', type: undefined, param: undefined, code: undefined },
    ],
    [
      'FastAPI, validation',
      '{"detail":[{"loc":["body"],"msg":"field required"},{"msg":"bad"}]}',
      { message: 'field required; bad', type: undefined, param: undefined, code: undefined },
    ],
    [
      'SiliconFlow',
      '{"code":20012,"message":"Model does not exist","data":null}',
      { message: 'Model does not exist', type: undefined, param: undefined, code: 20012 },
    ],
    [
      'Qianfan v1',
      '{"error_code":336501,"error_msg":"rpm"}',
      { message: 'rpm', type: undefined, param: undefined, code: 336501 },
    ],
    ['a JSON string', '"Invalid token"', { message: 'Invalid token' }],
    ['plain text', 'Bad Gateway', { message: 'Bad Gateway' }],
    [
      'an HTML page',
      '<html><head><title> 502 Bad Gateway </title>',
      { message: 'an HTML page, "502 Bad Gateway"' },
    ],
    ['nothing', '', { message: 'no message' }],
  ] as const;
  for (const [name, body, expected] of BODIES) {
    it(`reads a body: ${name}`, () => assert.deepEqual(readErrorBody(Buffer.from(body)), expected));
  }

  it('bounds what it repeats', () => {
    assert.ok(readErrorBody(Buffer.alloc(100_000, 'x')).message.length < 1100);
  });

  const STATUSES = [
    [400, 'not_placed', 'invalid_request', true],
    [401, 'not_placed', 'upstream_failed', false],
    [402, 'not_placed', 'upstream_failed', false],
    [403, 'not_placed', 'upstream_failed', false],
    [404, 'not_placed', 'upstream_failed', false],
    [408, 'not_placed', 'upstream_busy', false],
    [413, 'not_placed', 'too_large', true],
    [422, 'not_placed', 'invalid_request', true],
    [424, 'started', 'upstream_failed', false],
    [429, 'not_placed', 'upstream_busy', false],
    [302, 'not_placed', 'upstream_failed', false],
    [500, 'started', 'upstream_failed', false],
    [502, 'started', 'upstream_failed', false],
    [503, 'not_placed', 'upstream_busy', false],
    [504, 'started', 'upstream_failed', false],
    [529, 'not_placed', 'upstream_busy', false],
  ] as const;
  for (const [status, stage, code, callerFault] of STATUSES) {
    it(`judges status ${status}: ${stage}, ${code}`, () => {
      const failure = judge(status);
      assert.deepEqual(
        [failure.stage, failure.error.code, failure.callerFault],
        [stage, code, callerFault],
      );
    });
  }

  it('keeps a key that a server repeats out of the message', () => {
    assert.doesNotMatch(
      judge(401, '{"error":{"message":"bad key sk-123"}}').error.message,
      /sk-123/,
    );
  });

  it('takes the status from an error object that carries one', () => {
    const stage = (body: object) => errorFromObject('e1', Buffer.from(JSON.stringify(body))).stage;
    assert.equal(stage({ error: { message: 'm', code: 503 } }), 'not_placed');
    assert.equal(stage({ error: { message: 'm', code: '429' } }), 'not_placed');
    assert.equal(stage({ error: { message: 'm', code: 'server_error' } }), 'started');
    assert.equal(stage({ error_code: 336501, error_msg: 'm' }), 'started');
  });

  it('reads Retry-After in all its forms', () => {
    const now = Date.parse('2026-01-01T00:00:00Z');
    const read = (headers: Record<string, string>) =>
      retryAfterMs(new Map(Object.entries(headers)), now);
    assert.equal(read({}), undefined);
    assert.equal(read({ 'retry-after': '7' }), 7000);
    assert.equal(read({ 'retry-after': '0.5' }), 500);
    assert.equal(read({ 'retry-after-ms': '250', 'retry-after': '7' }), 250);
    assert.equal(read({ 'retry-after': 'Thu, 01 Jan 2026 00:00:30 GMT' }), 30_000);
    assert.equal(read({ 'retry-after': 'Wed, 31 Dec 2025 00:00:00 GMT' }), 0);
    assert.equal(read({ 'retry-after': 'soon' }), undefined);
    assert.equal(read({ 'retry-after': '-5' }), undefined);
  });

  const FAILURES = [
    ['unreachable', 'not_placed', 'upstream_unavailable'],
    ['connect_timeout', 'not_placed', 'upstream_timeout_connect'],
    ['reset', 'not_placed', 'upstream_unavailable'],
    ['closed', 'not_placed', 'upstream_unavailable'],
    ['first_byte_timeout', 'started', 'upstream_timeout_first_token'],
    ['idle_timeout', 'streaming', 'upstream_timeout_idle'],
    ['truncated', 'streaming', 'upstream_cut'],
    ['protocol', 'started', 'upstream_failed'],
  ] as const;
  for (const [kind, stage, code] of FAILURES) {
    it(`judges a connection: ${kind} is ${stage}, ${code}`, () => {
      const failure = errorFromFailure(
        'e1',
        { kind, message: 'm' },
        stage === 'streaming' ? stage : 'started',
      );
      assert.deepEqual([failure.stage, failure.error.code], [stage, code]);
      assert.equal(failure.error.message, 'endpoint e1: m');
    });
  }
});
