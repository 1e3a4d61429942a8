import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTerminal } from './terminal.ts';

function terminalWith(env: Record<string, string>, isTTY: boolean) {
  const stream = { isTTY, write: () => true };
  return createTerminal({
    stdin: {},
    stdout: stream,
    stderr: stream,
    env,
  } as unknown as NodeJS.Process);
}

test('text is dimmed on a terminal, and left alone in a pipe, with NO_COLOR and on a dumb terminal', () => {
  assert.equal(terminalWith({}, true).dim('x'), '\u001b[2mx\u001b[22m');
  assert.equal(terminalWith({}, false).dim('x'), 'x');
  assert.equal(terminalWith({ NO_COLOR: '1' }, true).dim('x'), 'x');
  assert.equal(terminalWith({ NO_COLOR: '' }, true).dim('x'), '\u001b[2mx\u001b[22m');
  assert.equal(terminalWith({ TERM: 'dumb' }, true).dim('x'), 'x');
});

test('lines to paste begin as the user began: npm start, npx or the installed program', () => {
  const invocation = (event?: string) =>
    terminalWith(event === undefined ? {} : { npm_lifecycle_event: event }, true).invocation;
  assert.equal(invocation().serve, 'unbusy serve');
  assert.equal(invocation('start').serve, 'npm start --');
  assert.equal(invocation('npx').command, 'npx unbusy');
});
