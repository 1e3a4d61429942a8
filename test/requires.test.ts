import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { requires } from './requires.ts';

const here = path.dirname(process.execPath);
const program = path.basename(process.execPath);

test('a program that is on the PATH lets its test run', () => {
  assert.deepEqual(requires(program, { PATH: `/nowhere${path.delimiter}${here}` }), {
    skip: false,
  });
});

test('a missing program skips its test and says so', () => {
  const options = requires('no-such-program', { PATH: here });
  assert.deepEqual(options, { skip: 'no-such-program is not on the PATH' });
});

test('a missing program fails in continuous integration', () => {
  assert.throws(() => requires('no-such-program', { PATH: here, CI: 'true' }), /CI=true/);
});
