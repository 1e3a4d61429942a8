import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TelemetrySink } from '../protocol/telemetry.ts';
import { createFanOut } from './fan-out.ts';

function recorder(heard: string[]): TelemetrySink {
  return {
    requestSettled: () => heard.push('request'),
    engineStep: (endpoint) => heard.push(`step ${endpoint}`),
    endpointState: (endpoint, state) => heard.push(`${endpoint} ${state}`),
    note: (level, code) => heard.push(`${level} ${code}`),
  };
}

function tellAll(sink: TelemetrySink): void {
  const anything = {} as never;
  sink.requestSettled(anything);
  sink.engineStep('a', anything);
  sink.endpointState('a', 'ready', undefined);
  sink.note('info', 'hello', {});
}

test('every sink hears every event, in order', () => {
  const [one, two]: [string[], string[]] = [[], []];
  tellAll(createFanOut([recorder(one), recorder(two)]));
  assert.deepEqual(one, ['request', 'step a', 'a ready', 'info hello']);
  assert.deepEqual(two, one);
});

test('a sink that throws is counted and hurts nobody', () => {
  const heard: string[] = [];
  const broken = new Proxy({} as TelemetrySink, {
    get: () => () => {
      throw new Error('disk full');
    },
  });
  const fanOut = createFanOut([broken, recorder(heard)]);
  tellAll(fanOut);
  assert.equal(heard.length, 4);
  assert.equal(fanOut.errors, 4);
});
