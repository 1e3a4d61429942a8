/** The house rules of CONTRIBUTING.md, applied to the repository; each also shown to be able to fail. */
import assert from 'node:assert/strict';
import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { generatedPages } from '../scripts/generate-docs.ts';
import { loadConfig } from '../src/config/load.ts';
import { errorCatalogue } from '../src/core/error-catalogue.ts';
import { readRepositoryFile, repositoryFiles, repositoryRoot } from './source-files.ts';
import * as tidy from './tidy.ts';

const code = ['bin', 'src', 'test', 'scripts', 'bench']
  .flatMap((folder) => repositoryFiles(folder, ['.ts', '.js']))
  .filter((file) => !/^(bench\/peers|test\/fixtures)\//.test(file));
const markdown = repositoryFiles('.', ['.md']);
const texts = repositoryFiles('.', [
  '.ts',
  '.js',
  '.json',
  '.md',
  '.yaml',
  '.yml',
  '.c',
  '.sh',
  '.py',
])
  .filter((file) => file !== 'package-lock.json')
  .concat('.ci/run', '.npmrc', '.gitignore');

test('every file is named for what it exports', () => {
  assert.deepEqual(code.flatMap(tidy.nameFaults), []);
});

test('every shipped file opens with a comment that says what it is', () => {
  const shipped = code.filter((file) => /^(src|bin)\//.test(file) && !file.endsWith('.test.ts'));
  assert.deepEqual(faults(shipped, tidy.headerFaults), []);
});

test('no file is longer than 400 lines', () => {
  assert.deepEqual(faults(code, tidy.sizeFaults), []);
});

test('nothing is left undone without a reason', () => {
  const others = code.filter((file) => file !== 'test/tidy.ts');
  assert.deepEqual(faults(others, tidy.todoFaults), []);
});

test('no test runs alone and none is skipped', () => {
  const tests = code.filter((file) => file.endsWith('.test.ts'));
  assert.deepEqual(faults(tests, tidy.testFaults), []);
});

test('nothing names a folder of one machine', () => {
  assert.deepEqual(faults(texts, tidy.machinePathFaults), []);
});

test('the lock file and .npmrc name no registry', () => {
  assert.doesNotMatch(readRepositoryFile('package-lock.json'), /"resolved"/);
  assert.doesNotMatch(readRepositoryFile('.npmrc'), /registry\s*=\s*http/);
});

test('every link in the documents leads somewhere', () => {
  assert.deepEqual(
    faults(markdown, (file, text) => tidy.linkFaults(file, text, readIfThere)),
    [],
  );
});

test('every YAML block in the documents is a valid config', () => {
  const secrets = new Proxy({}, { get: () => 'secret-from-the-environment' });
  const faultOf = (file: string, block: { text: string; line: number }): string[] => {
    const readFile = (name: string): string => (name.endsWith('.yaml') ? block.text : 'secret');
    try {
      loadConfig({ path: 'unbusy.yaml', readFile, env: secrets });
      return [];
    } catch (error) {
      return [`${file}:${block.line}: ${error}`];
    }
  };
  const blocks = markdown.flatMap((file) =>
    tidy.yamlBlocks(readRepositoryFile(file)).map((block) => ({ file, block })),
  );
  assert.deepEqual(
    blocks.flatMap(({ file, block }) => faultOf(file, block)),
    [],
  );
});

test('every error code is in the catalogue', () => {
  const known = new Set(errorCatalogue.map((entry) => entry.code));
  const shipped = code.filter((file) => /^src\//.test(file) && !file.endsWith('.test.ts'));
  assert.deepEqual(
    faults(shipped, (file, text) => tidy.errorCodeFaults(file, text, known)),
    [],
  );
});

test('every code in the catalogue can occur', () => {
  const shipped = code.filter((file) => /^src\//.test(file) && !/\.test\.ts$/.test(file));
  const others = shipped.filter((file) => !file.startsWith('src/core/error-entries'));
  const source = others.map(readRepositoryFile).join('\n');
  const silent = errorCatalogue.filter(({ code }) => !source.includes(`'${code}'`));
  assert.deepEqual(
    silent.map(({ code }) => code),
    [],
  );
});

test('generated pages are fresh (npm run docs)', async () => {
  const stale = [...(await generatedPages())].filter(([file, text]) => readIfThere(file) !== text);
  assert.deepEqual(
    stale.map(([file]) => file),
    [],
  );
});

test('decision records are numbered, listed and complete', () => {
  const folder = 'docs/decisions';
  const overview = readRepositoryFile(`${folder}/README.md`);
  const records = repositoryFiles(folder, ['.md']).filter((file) => !file.endsWith('README.md'));
  const byName = new Map(
    records.map((file) => [path.posix.basename(file), readRepositoryFile(file)]),
  );
  assert.deepEqual(tidy.decisionFaults(byName, overview), []);
});

test('the changelog has its form', () => {
  assert.deepEqual(tidy.changelogFaults(readRepositoryFile('CHANGELOG.md')), []);
});

test('every dependency is accounted for in docs/dependencies.md', () => {
  const packageJson = JSON.parse(readRepositoryFile('package.json'));
  const document = readRepositoryFile('docs/dependencies.md');
  const names = Object.keys({
    ...packageJson.dependencies,
    ...packageJson.optionalDependencies,
    ...packageJson.devDependencies,
  });
  assert.deepEqual(
    names.filter((name) => !document.includes(`\`${name}\``)),
    [],
  );
});

const newError = `throw new ${'Unbusy'}Error(\n  'internal',\n  'unheard_of', 'x')`;

const broken: readonly (readonly [name: string, found: readonly string[]])[] = [
  ['a drawer', tidy.nameFaults('src/core/string-utils.ts')],
  ['a folder that is a drawer', tidy.nameFaults('src/common/order.ts')],
  ['a barrel', tidy.nameFaults('src/core/index.ts')],
  ['no header', tidy.headerFaults('a.ts', 'export const a = 1;\n')],
  ['an empty header', tidy.headerFaults('a.ts', '/**\n *\n */\nexport const a = 1;\n')],
  ['401 lines', tidy.sizeFaults('a.ts', 'x\n'.repeat(401))],
  ['a bare to-do', tidy.todoFaults('a.ts', `// ${'TO'}DO: later`)],
  ['a lone test', tidy.testFaults('a.test.ts', `test.${'only'}('a', () => {});`)],
  ['a skipped test', tidy.testFaults('a.test.ts', `test('a', { ${'skip'}: true }, () => {});`)],
  ['a path of one machine', tidy.machinePathFaults('a.md', `see /${'home'}/me/notes`)],
  ['a dead link', tidy.linkFaults('a.md', '[b](b.md)', () => undefined)],
  ['a dead anchor', tidy.linkFaults('a.md', '[b](#b)', () => '# A\n')],
  ['a gap in the numbers', tidy.decisionFaults(decision('0002-b.md', '# 0002 B'), '(0002-b.md)')],
  ['an unlisted record', tidy.decisionFaults(decision('0001-a.md', '# 0001 A'), '')],
  ['an unknown error code', tidy.errorCodeFaults('a.ts', newError, new Set(['known']))],
  ['a bare version', tidy.changelogFaults('# Changes\n\n## 0.1\n')],
  ['an unknown section', tidy.changelogFaults('## 0.1.0 (unreleased)\n\n### News\n\n- a\n')],
  ['an empty section', tidy.changelogFaults('## 0.1.0 (unreleased)\n\n### Added\n')],
];
for (const [name, found] of broken) {
  test(`the rules notice ${name}`, () => {
    assert.notDeepEqual(found, []);
  });
}

test('the rules let what is right pass', () => {
  const right = [
    tidy.nameFaults('src/policy/queue/fair-order.ts'),
    tidy.headerFaults('a.ts', '#!/usr/bin/env node\n/** The order of the queue. */\n'),
    tidy.todoFaults('a.ts', `// ${'TO'}DO(needs the cost model first): weigh by cost`),
    tidy.machinePathFaults('a.md', 'https://example.com/home/x and ~/tmp/y and a/work/b'),
    tidy.linkFaults('docs/a.md', '[b](../b.md#two-words) [c](https://c.example)', (file) =>
      file === 'b.md' ? '# B\n\n## Two words\n' : undefined,
    ),
    tidy.changelogFaults('## 0.2.0 (unreleased)\n\n### Added\n\n- a\n\n## 0.1.0 (2026-01-31)\n'),
  ];
  assert.deepEqual(right.flat(), []);
});

function faults(
  files: readonly string[],
  rule: (file: string, text: string) => readonly string[],
): string[] {
  return files.flatMap((file) => rule(file, readRepositoryFile(file)));
}

function readIfThere(file: string): string | undefined {
  const absolute = path.join(repositoryRoot, file);
  if (!existsSync(absolute)) return undefined;
  return statSync(absolute).isDirectory() ? '' : readRepositoryFile(file);
}

function decision(name: string, title: string): ReadonlyMap<string, string> {
  return new Map([[name, `${title}\n\n## Context\n\n## Decision\n\n## Consequences\n`]]);
}
