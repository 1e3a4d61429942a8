/**
 * Every test of the repository in one run of node:test, and its summary at the end.
 *
 * Unit tests come first, because they are quick and name a fault most precisely; what starts
 * processes and sockets (`test/`) comes after. Two files run at a time: a file may start an engine
 * of its own, and continuous integration has two cores. Arguments narrow the run to the files whose
 * path contains one of them: `node scripts/run-tests.ts policy/queue`.
 */
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { repositoryFiles } from '../test/source-files.ts';

const fileTimeoutMs = 5 * 60_000;
const totalTimeoutMs = 15 * 60_000;

/** `npm run check` has run these already. */
const checks = ['test/layers.test.ts', 'test/tidy.test.ts'];

const wanted = process.argv.slice(2);
const files = ['src', 'test', 'bench']
  .flatMap((folder) => repositoryFiles(folder, ['.test.ts']))
  .filter((file) => !file.startsWith('bench/peers/'))
  .filter((file) =>
    wanted.length === 0 ? !checks.includes(file) : wanted.some((part) => file.includes(part)),
  );

if (files.length === 0) {
  console.error(`no test file matches: ${wanted.join(' ')}`);
  process.exit(2);
}

const tests = run({
  files,
  concurrency: 2,
  timeout: fileTimeoutMs,
  signal: AbortSignal.timeout(totalTimeoutMs),
});
tests.on('test:fail', (event) => {
  if (event.todo === undefined || event.todo === false) process.exitCode = 1;
});
tests.compose(spec).pipe(process.stdout);
