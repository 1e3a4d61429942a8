import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createRandom } from '../../core/random.ts';
import {
  defaultScorers,
  type EndpointSnapshot,
  type NoEndpoint,
  pickEndpoint,
  type RouteRequest,
} from './pick-endpoint.ts';

function endpoint(name: string, over: Partial<EndpointSnapshot> = {}): EndpointSnapshot {
  return {
    name,
    ready: true,
    models: ['r1'],
    inFlight: 0,
    outstandingTokens: 0,
    concurrencyMax: 8,
    weight: 1,
    location: 'own',
    overflowOnly: false,
    ...over,
  };
}

const request: RouteRequest = { model: 'r1', mayLeave: true };

function pick(endpoints: EndpointSnapshot[], over: Partial<RouteRequest> = {}, seed = 1) {
  return pickEndpoint(endpoints, { ...request, ...over }, { random: createRandom(seed) });
}

function pickedName(endpoints: EndpointSnapshot[], over: Partial<RouteRequest> = {}, seed = 1) {
  const decision = pick(endpoints, over, seed);
  assert.ok(decision.kind === 'picked', JSON.stringify(decision));
  return decision.endpoint.name;
}

const refusals: [NoEndpoint, EndpointSnapshot[], Partial<RouteRequest>][] = [
  ['unknown_model', [endpoint('a', { models: ['other'] })], {}],
  ['unknown_model', [], {}],
  ['data_stays', [endpoint('a', { location: 'public' })], { mayLeave: false }],
  ['all_tried', [endpoint('a')], { tried: new Set(['a']) }],
  ['not_ready', [endpoint('a', { ready: false })], {}],
  ['full', [endpoint('a', { inFlight: 8 })], {}],
  ['full', [endpoint('a', { inFlight: 8 }), endpoint('b', { ready: false })], {}],
  ['not_ready', [endpoint('a', { ready: false, inFlight: 8 })], {}],
];
for (const [why, endpoints, over] of refusals) {
  test(`none: ${why} with ${JSON.stringify(endpoints.map((one) => one.name))}`, () => {
    assert.deepEqual(pick(endpoints, over), { kind: 'none', why });
  });
}

test('E3: the least outstanding tokens relative to capacity win, and the reason says load', () => {
  const endpoints = [
    endpoint('small', { outstandingTokens: 500, concurrencyMax: 4 }),
    endpoint('large', { outstandingTokens: 900, concurrencyMax: 16 }),
  ];
  const decision = pick(endpoints);
  assert.ok(decision.kind === 'picked');
  assert.equal(decision.endpoint.name, 'large');
  assert.equal(decision.reason, 'load');
});

test('E1: idle endpoints are drawn in proportion to their weights', () => {
  const endpoints = [endpoint('a', { weight: 3 }), endpoint('b'), endpoint('c')];
  const counts: Record<string, number> = { a: 0, b: 0, c: 0 };
  for (let seed = 0; seed < 5_000; seed += 1) counts[pickedName(endpoints, {}, seed)]! += 1;
  assert.ok(Math.abs(counts['a']! / 5_000 - 0.6) < 0.03, JSON.stringify(counts));
  assert.ok(Math.abs(counts['b']! / 5_000 - 0.2) < 0.03, JSON.stringify(counts));
});

test('overflow endpoints are used only when no other has room', () => {
  const cloud = endpoint('cloud', { overflowOnly: true, location: 'public' });
  const busy = endpoint('own', { inFlight: 7, outstandingTokens: 1e6 });
  assert.equal(pickedName([cloud, busy]), 'own');
  assert.equal(pickedName([cloud, { ...busy, inFlight: 8 }]), 'cloud');
});

test('B10: a session keeps its endpoint, returns to it, and moves only when it is gone', () => {
  const names = ['a', 'b', 'c', 'd'];
  const endpoints = names.map((name) => endpoint(name));
  const homes = new Map<string, string>();
  for (let i = 0; i < 400; i += 1) {
    const session = `session-${i}`;
    const home = pickedName(endpoints, { session }, i);
    homes.set(session, home);
    const loaded = endpoints.map((one) =>
      one.name === home ? { ...one, outstandingTokens: 5_000, inFlight: 7 } : one,
    );
    assert.equal(pickedName(loaded, { session }, i + 1), home);
    const full = endpoints.map((one) => (one.name === home ? { ...one, inFlight: 8 } : one));
    assert.notEqual(pickedName(full, { session }, i), home);
  }
  for (const name of names) {
    const share = [...homes.values()].filter((home) => home === name).length / 400;
    assert.ok(share > 0.15 && share < 0.35, `${name} holds ${share}`);
  }
  const withoutA = endpoints.filter((one) => one.name !== 'a');
  for (const [session, home] of homes) {
    if (home !== 'a') assert.equal(pickedName(withoutA, { session }), home);
  }
});

test('a further scorer is one function in the list', () => {
  const byName = {
    name: 'alphabet',
    weight: 10,
    score: (all: readonly EndpointSnapshot[]) => all.map((one) => (one.name === 'b' ? 1 : 0)),
  };
  const decision = pickEndpoint([endpoint('a'), endpoint('b', { outstandingTokens: 9 })], request, {
    random: createRandom(1),
    scorers: [...defaultScorers, byName],
  });
  assert.ok(decision.kind === 'picked');
  assert.deepEqual([decision.endpoint.name, decision.reason], ['b', 'alphabet']);
});

test('whatever the snapshot, a pick is allowed and a refusal is true', () => {
  const anyEndpoint = fc.record({
    name: fc.constantFrom('a', 'b', 'c', 'd'),
    ready: fc.boolean(),
    models: fc.subarray(['r1', 'other']),
    inFlight: fc.nat(3),
    outstandingTokens: fc.nat(1_000),
    concurrencyMax: fc.integer({ min: 0, max: 3 }),
    weight: fc.integer({ min: 1, max: 4 }),
    location: fc.constantFrom('own' as const, 'public' as const),
    overflowOnly: fc.boolean(),
  });
  fc.assert(
    fc.property(
      fc.uniqueArray(anyEndpoint, { selector: (one) => one.name }),
      fc.boolean(),
      fc.option(fc.string(), { nil: undefined }),
      fc.subarray(['a', 'b', 'c', 'd']),
      fc.integer(),
      (endpoints, mayLeave, session, tried, seed) => {
        const wish = { mayLeave, session, tried: new Set(tried) };
        const allowed = endpoints.filter(
          (one) =>
            one.ready &&
            one.models.includes('r1') &&
            (mayLeave || one.location === 'own') &&
            !tried.includes(one.name) &&
            one.inFlight < one.concurrencyMax,
        );
        const decision = pick(endpoints, wish, seed);
        assert.equal(decision.kind, allowed.length > 0 ? 'picked' : 'none');
        if (decision.kind === 'picked') {
          assert.ok(allowed.some((one) => one === decision.endpoint));
          assert.deepEqual(pick(endpoints, wish, seed), decision);
        }
      },
    ),
  );
});
