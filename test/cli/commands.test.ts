/** The command line as a user meets it: real processes, their output and exit codes. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { parse } from 'yaml';
import { errorCatalogue } from '../../src/core/error-catalogue.ts';
import { run } from './run-program.ts';

const commands = ['serve', 'chat', 'config', 'key', 'explain', 'version'];

let folder = '';

before(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'unbusy-cli-'));
  writeFileSync(path.join(folder, 'good.yaml'), 'server: { port: 1234 }\n');
  writeFileSync(path.join(folder, 'bad.yaml'), 'server: { port: x }\nqueue: { deep: 1 }\n');
});

after(() => rmSync(folder, { recursive: true, force: true }));

const here = (...args: string[]) => run(args, { cwd: folder });

test('help lists the commands, fits 80 columns, has no colours in a pipe, and exits 0', async () => {
  for (const args of [[], ['help'], ['--help'], ['-h']]) {
    const { code, stdout, stderr } = await here(...args);
    assert.equal(code, 0);
    assert.equal(stderr, '');
    for (const command of commands) assert.match(stdout, new RegExp(`^  ${command} `, 'm'));
    assertPlain(stdout);
  }
});

for (const command of commands) {
  test(`${command} --help shows an example and every option within 80 columns`, async () => {
    const { code, stdout } = await here(command, '--help');
    assert.equal(code, 0);
    assert.match(stdout, new RegExp(`^Usage: unbusy ${command}`));
    assert.match(stdout, new RegExp(`^Examples:\\n.*unbusy ${command}`, 'm'));
    assertPlain(stdout);
    assert.equal((await here('help', command)).stdout, stdout);
  });
}

test('bad usage exits with 2 and one line that suggests what was meant', async () => {
  const table: readonly (readonly [string[], RegExp])[] = [
    [['serv'], /^unbusy: there is no command "serv"; did you mean "serve"\?\n$/],
    [['frobnicate'], /^unbusy: there is no command "frobnicate"; `unbusy help` lists them\n$/],
    [['--upstream'], /^unbusy: there is no option "--upstream"/],
    [['help', 'serv'], /^unbusy: there is no command "serv"; did you mean "serve"\?\n$/],
    [['chat', '--modle', 'x'], /^unbusy: unknown option --modle; did you mean --model\?\n$/],
    [['serve', 'now'], /^unbusy: unexpected argument "now"\n$/],
    [['serve', '--port'], /^unbusy: Option '-p, --port <value>' argument missing\n$/],
    [['chat', '--url', 'here'], /^unbusy: --url: found "here"; allowed: /],
    [['config', 'destroy'], /^unbusy: usage: unbusy config check\|print/],
    [['key', 'new'], /^unbusy: usage: unbusy key new ID\n$/],
    [['key', 'new', 'A_B'], /^unbusy: id: found "A_B"; allowed: up to 40 lower-case letters/],
    [
      ['explain', 'overlaoded'],
      /^unbusy: there is no error code .*; did you mean "overloaded"\?\n$/,
    ],
  ];
  for (const [args, message] of table) {
    const { code, stdout, stderr } = await here(...args);
    assert.equal(code, 2, args.join(' '));
    assert.equal(stdout, '');
    assert.match(stderr, message);
  }
});

test('a stack trace comes only when it is asked for', async () => {
  const { stderr } = await run(['serv'], { env: { UNBUSY_DEBUG: '1' } });
  assert.match(stderr, /\n {4}at /);
});

test('A2: every code can be explained, and a status lists its codes', async () => {
  const all: unknown = JSON.parse((await here('explain', '--json')).stdout);
  assert.deepEqual(
    (all as { code: string }[]).map(({ code }) => code),
    errorCatalogue.map(({ code }) => code),
  );
  const { code, stdout } = await here('explain', 'overloaded');
  assert.equal(code, 0);
  assert.match(stdout, /^overloaded: .*\n\n[\s\S]*Likely causes:\n {2}- [\s\S]*What to do:\n/);
  assertPlain(stdout);
  assert.match((await here('explain', '504')).stdout, /deadline_exceeded[\s\S]*upstream_timeout/);
});

test('config check accepts a good file and exits 2 on a bad one, naming file, line and column', async () => {
  const good = await here('config', 'check', 'good.yaml');
  assert.deepEqual([good.code, good.stdout], [0, 'good.yaml is valid: 1 endpoint, 0 keys\n']);
  const bad = await here('config', 'check', 'bad.yaml');
  assert.equal(bad.code, 2);
  assert.match(bad.stderr, /^bad\.yaml:1:17: server\.port: [^\n]*\nbad\.yaml:2:10: queue\.deep: /);
  assert.doesNotMatch(bad.stderr, /\n {4}at /);
  const asJson = await here('config', 'check', 'bad.yaml', '--json');
  assert.equal(asJson.code, 2);
  assert.deepEqual(JSON.parse(asJson.stdout), {
    valid: false,
    errors: bad.stderr.trim().split('\n'),
    warnings: [],
  });
});

test('config print writes what flags amount to; config check accepts it', async () => {
  const { stdout } = await here('config', 'print', '--upstream', 'http://gpu:8000');
  assert.equal(parse(stdout).endpoints['upstream-1'].url, 'http://gpu:8000/v1');
  writeFileSync(path.join(folder, 'printed.yaml'), stdout);
  assert.equal((await here('config', 'check', 'printed.yaml')).code, 0);
  assert.equal((await here('config', 'diff', 'printed.yaml', 'printed.yaml')).stdout, '');
});

test('config diff names the settings that differ', async () => {
  const { code, stdout } = await here('config', 'diff', 'good.yaml');
  assert.deepEqual([code, stdout], [0, '- server.port: 6710\n+ server.port: 1234\n']);
});

test('config schema is a JSON Schema', async () => {
  const schema: unknown = JSON.parse((await here('config', 'schema')).stdout);
  assert.ok(typeof schema === 'object' && schema !== null && '$schema' in schema);
});

test('J2: key new prints a key once and an entry that the config takes', async () => {
  const { code, stdout } = await here('key', 'new', 'team-a', '--expires', '2027-01-01');
  assert.equal(code, 0);
  assert.match(stdout, /^ {2}ub_team-a_[0-9a-f]{48}$/m);
  const entry = stdout.slice(stdout.indexOf('  keys:'));
  writeFileSync(path.join(folder, 'keys.yaml'), entry);
  assert.match((await here('config', 'check', 'keys.yaml')).stdout, /1 key\n$/);
});

test('version says ours and that of Node', async () => {
  const { stdout } = await here('version', '--json');
  assert.equal((JSON.parse(stdout) as { node: string }).node, process.versions.node);
  assert.match((await here('--version')).stdout, /^unbusy \d+\.\d+\.\d+/);
});

/** No colours, and no line that an 80-column terminal would break. */
function assertPlain(text: string): void {
  assert.ok(!text.includes('\u001b'));
  for (const line of text.split('\n')) {
    const isExample = /^ {2}\S*(unbusy|curl) /.test(line) || line.startsWith('Usage:');
    assert.ok(isExample || [...line].length <= 80, line);
  }
}
