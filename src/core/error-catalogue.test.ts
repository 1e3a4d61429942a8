import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  catalogueEntry,
  catalogueMarkdown,
  errorCatalogue,
  httpStatusOf,
  httpStatusOfError,
} from './error-catalogue.ts';

test('A2: every entry says what it means, why, and what to do, in whole sentences', () => {
  for (const entry of errorCatalogue) {
    assert.match(entry.code, /^[a-z]+(_[a-z]+)*$/);
    assert.ok(entry.likelyCauses.length > 0, entry.code);
    for (const sentence of [entry.whatItMeans, entry.remedy]) assert.match(sentence, /\.$/);
    assert.doesNotMatch(entry.title, /\.$/);
  }
});

test('a code is listed once', () => {
  const codes = errorCatalogue.map((entry) => entry.code);
  assert.deepEqual(codes, [...new Set(codes)]);
});

test('A2: no remedy for a time-out is to delay batches', () => {
  for (const entry of errorCatalogue) {
    if (entry.httpStatus === 504) assert.doesNotMatch(entry.remedy, /(raise|increase)[^.;]*delay/i);
  }
});

test('a code can be more precise than its kind; unknown codes fall back to the kind', () => {
  assert.equal(httpStatusOf('not_found'), 404);
  assert.equal(httpStatusOfError({ kind: 'invalid_request', code: 'method_not_allowed' }), 405);
  assert.equal(httpStatusOfError({ kind: 'upstream_failed', code: 'upstream_timeout_idle' }), 504);
  assert.equal(httpStatusOfError({ kind: 'overloaded', code: 'some_new_code' }), 503);
});

test('asking for deepseek-r1 without a config is told how to map it', () => {
  assert.match(catalogueEntry('model_not_found')?.remedy ?? '', /models: \{ deepseek-r1: \{ pool/);
});

test('the reference page has a section for every code', () => {
  const page = catalogueMarkdown();
  for (const { code } of errorCatalogue) assert.ok(page.includes(`### \`${code}\``), code);
});
