import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createRandom } from '../../core/random.ts';
import { createRetryPolicy, type FailedAttempt } from './retry.ts';

const random = createRandom(1);
const failed: FailedAttempt = {
  stage: 'started',
  callerFault: false,
  failures: 1,
  deadlineLeftMs: 60_000,
};

const cases: [string, Partial<FailedAttempt>, string][] = [
  ['not placed goes back to its queue', { stage: 'not_placed' }, 'requeue'],
  ['not placed a thousand times too', { stage: 'not_placed', failures: 1_000 }, 'requeue'],
  [
    'not placed with the deadline over stops',
    { stage: 'not_placed', deadlineLeftMs: 0 },
    'deadline',
  ],
  ['begun is repeated', {}, 'repeat'],
  ['begun with no time to wait for stops', { retryAfterMs: 70_000 }, 'deadline'],
  ['an answer that has begun is not repeated', { stage: 'streaming' }, 'answer_begun'],
  ["the caller's fault is never repeated", { callerFault: true }, 'caller_fault'],
  [
    "the caller's fault is never requeued",
    { callerFault: true, stage: 'not_placed' },
    'caller_fault',
  ],
];
for (const [name, over, expected] of cases) {
  test(`E4: ${name}`, () => {
    const decision = createRetryPolicy().decide({ ...failed, ...over }, random);
    assert.equal(decision.kind === 'retry' ? decision.how : decision.why, expected);
  });
}

test('an endpoint that asks for time gets it', () => {
  const decision = createRetryPolicy().decide(
    { ...failed, stage: 'not_placed', retryAfterMs: 7_000 },
    random,
  );
  assert.ok(decision.kind === 'retry');
  assert.equal(decision.delayMs, 7_000);
});

test('E4: an engine that dies with 100 requests on it does not exhaust the budget', () => {
  const policy = createRetryPolicy();
  for (let i = 0; i < 100; i += 1) {
    assert.equal(policy.decide(failed, random).kind, 'retry');
  }
});

test('repeated work stays within 20 % of the requests plus the reserve; requeues are free', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('request', 'started', 'not_placed'), { maxLength: 400 }),
      fc.integer({ min: 0, max: 10 }),
      (events, reserve) => {
        const policy = createRetryPolicy({ reserve });
        let requests = 0;
        let repeats = 0;
        for (const event of events) {
          if (event === 'request') {
            policy.observeRequest();
            requests += 1;
            continue;
          }
          const before = policy.toJSON().balance;
          const stage = event === 'started' ? 'started' : 'not_placed';
          const decision = policy.decide({ ...failed, stage }, random);
          if (event === 'not_placed') {
            assert.equal(decision.kind, 'retry');
            assert.equal(policy.toJSON().balance, before);
          } else if (decision.kind === 'retry') {
            repeats += 1;
          } else {
            assert.ok(before < 1);
          }
        }
        assert.ok(repeats <= reserve + 0.2 * requests + 1e-9, `${repeats} of ${requests}`);
      },
    ),
  );
});

test('a copy made from the state goes on with the same budget', () => {
  const policy = createRetryPolicy({ reserve: 1 });
  policy.decide(failed, random);
  const copy = createRetryPolicy({ reserve: 1, state: policy.toJSON() });
  const decision = copy.decide(failed, random);
  assert.ok(decision.kind === 'stop' && decision.why === 'budget');
});
