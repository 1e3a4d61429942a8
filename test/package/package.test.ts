/**
 * The published shape: what `npm pack` makes, installed in an empty folder, answers from there.
 *
 * A clone hides mistakes that this shows: a file missing from the package, a development dependency
 * that the server needs, TypeScript under `node_modules`, a path into `src/`.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { repositoryRoot } from '../source-files.ts';

const installedBytesMax = 250e6;

const folder = mkdtempSync(path.join(os.tmpdir(), 'unbusy-package-'));
const modules = path.join(folder, 'node_modules');
const unbusy = path.join(modules, '.bin', 'unbusy');

before(() => {
  const packed = npm(['pack', '--silent', '--pack-destination', folder], repositoryRoot);
  const archive = packed.trim().split('\n').at(-1) ?? '';
  writeFileSync(path.join(folder, 'package.json'), '{ "name": "empty", "private": true }');
  npm(['install', '--prefer-offline', '--no-audit', '--no-fund', `./${archive}`], folder);
});

after(() => rmSync(folder, { recursive: true, force: true }));

test('the package names its version', () => {
  const expected = JSON.parse(readFileSync(path.join(repositoryRoot, 'package.json'), 'utf8'));
  const run = spawnSync('npx', ['unbusy', 'version'], {
    cwd: folder,
    env: environment(),
    encoding: 'utf8',
  });
  assert.equal(run.status, 0, run.stderr);
  assert.match(run.stdout, new RegExp(`\\b${expected.version.replaceAll('.', '\\.')}\\b`));
});

test('the package starts with nothing configured and answers one question', async () => {
  const server = spawn(unbusy, ['serve', '--port', '0'], { cwd: folder, env: environment() });
  try {
    const url = await announcedUrl(server);
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        model: 'pocket-r1',
        messages: [{ role: 'user', content: 'What is 17 + 25?' }],
      }),
    });
    assert.equal(response.status, 200);
    const answer = (await response.json()) as { choices: { message: { content: string } }[] };
    assert.notEqual(answer.choices[0]?.message.content ?? '', '');
    const ended = once(server, 'exit');
    server.kill('SIGTERM');
    assert.deepEqual(await ended, [0, null]);
  } finally {
    server.kill('SIGKILL');
  }
});

test('the package is at most 250 MB besides Node and brings no CUDA or Vulkan build', () => {
  const packages = installedPackages();
  assert.deepEqual(
    packages.filter((name) => /cuda|vulkan/i.test(name)),
    [],
  );
  const bytes = packages
    .filter((name) => !/^node-(bin-)?(darwin|linux|win)-/.test(name))
    .reduce((sum, name) => sum + bytesUnder(path.join(modules, name)), 0);
  assert.ok(bytes <= installedBytesMax, `${(bytes / 1e6).toFixed(0)} MB installed`);
});

/** Reads the server's output until it names its address. */
async function announcedUrl(server: ChildProcess): Promise<string> {
  const seen: string[] = [];
  for (const stream of [server.stdout, server.stderr]) assert.ok(stream);
  const found = new Promise<string>((resolve, reject) => {
    for (const stream of [server.stdout, server.stderr]) {
      createInterface({ input: stream! }).on('line', (line) => {
        seen.push(line);
        const url = /http:\/\/127\.0\.0\.1:\d+/.exec(line)?.[0];
        if (url !== undefined) resolve(url);
      });
    }
    server.once('exit', (code) => reject(new Error(`exit ${code}:\n${seen.join('\n')}`)));
  });
  return found;
}

function npm(args: readonly string[], cwd: string): string {
  const run = spawnSync('npm', args, { cwd, env: environment(), encoding: 'utf8' });
  const said = `${run.stdout}${run.stderr}${run.error ?? ''}`;
  assert.equal(run.status, 0, `npm ${args.join(' ')}\n${said}`);
  return run.stdout;
}

/** This process's environment without what `npm test` adds, so that the clone cannot help. */
function environment(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(
    ([name]) => !/^npm_(package|lifecycle|command|config_(local|global)?_?prefix)/.test(name),
  );
  const searchPath = (process.env['PATH'] ?? '')
    .split(path.delimiter)
    .filter((entry) => !entry.includes('node_modules'));
  return { ...Object.fromEntries(own), PATH: searchPath.join(path.delimiter) };
}

function installedPackages(): string[] {
  return readdirSync(modules)
    .filter((name) => !name.startsWith('.'))
    .flatMap((name) =>
      name.startsWith('@')
        ? readdirSync(path.join(modules, name)).map((part) => path.join(name, part))
        : [name],
    );
}

function bytesUnder(entry: string): number {
  const stat = lstatSync(entry);
  if (!stat.isDirectory()) return stat.size;
  return readdirSync(entry).reduce((sum, name) => sum + bytesUnder(path.join(entry, name)), 0);
}
