/**
 * The architecture as a test: fails when an import goes up or sideways, or when a folder that only
 * decides touches the world, and says what to do instead.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { layerFaults } from './layers.ts';
import { readRepositoryFile, repositoryFiles, repositoryRoot } from './source-files.ts';

test('every import under src points down', () => {
  const faults = repositoryFiles('src', ['.ts']).flatMap((file) =>
    layerFaults(file, readRepositoryFile(file)),
  );
  assert.deepEqual(faults, []);
});

const forbidden = [
  ['src/policy/order.ts', "import { run } from '../gateway/run.ts';", /upwards.*take the value/],
  ['src/core/ids.ts', "import type { A } from '../protocol/a.ts';", /upwards.*move the thing/],
  ['src/protocol/sse.ts', "export { a } from '../policy/a.ts';", /upwards/],
  ['src/upstream/vllm.ts', "import { parse } from '../config/load.ts';", /sideways.*Upstream port/],
  ['src/ingress/openai/chat.ts', "import { a } from '../../telemetry/a.ts';", /sideways/],
  ['src/simulate/loop.ts', "import { a } from '../gateway/a.ts';", /sideways.*src\/policy\//],
  ['src/gateway/a.ts', "const a = await import('../cli/main.ts');", /upwards/],
  ['src/engine/a.ts', "import '../ingress/a.ts';", /sideways/],
  ['src/policy/a.ts', "import { z } from 'zod';", /the package zod/],
  ['src/cli/a.ts', "import { a } from '../../test/a.ts';", /not shipped/],
  ['src/policy/a.test.ts', "import { a } from '../gateway/a.ts';", /belongs in test\//],
  ['src/policy/a.ts', "import {\n  a,\n  b,\n} from '../gateway/a.ts';", /^src\/policy\/a\.ts:4: /],
  ['src/somewhere/a.ts', '', /no folder of src/],
] as const;

for (const [file, source, expected] of forbidden) {
  test(`${file} may not contain: ${source.split('\n').join(' ')}`, () => {
    const faults = layerFaults(file, source);
    assert.equal(faults.length, 1);
    assert.match(faults[0]!, expected);
  });
}

test('imports of lower layers, of the own folder and of packages are allowed', () => {
  const source = [
    "import { readFile } from 'node:fs/promises';",
    "import { z } from 'zod';",
    "import type { Upstream } from '../../protocol/ports.ts';",
    "import { assert } from '../../core/errors.ts';",
    "import { start } from '../lifecycle.ts';",
  ].join('\n');
  assert.deepEqual(layerFaults('src/gateway/relay/a.ts', source), []);
});

test('what src/policy, src/protocol and src/core may not touch is refused by Biome', () => {
  const sources: Record<string, string> = {
    'src/policy/clock-global.ts': 'export const x = Date.now();',
    'src/policy/timer.ts': 'setTimeout(() => {}, 3);',
    'src/policy/stopwatch.ts': 'export const x = performance.now();',
    'src/policy/chance.ts': 'export const x = Math.random();',
    'src/protocol/file.ts':
      "import { readFileSync } from 'node:fs';\nexport const x = readFileSync;",
    'src/protocol/file-type.ts': "import type { Stats } from 'node:fs';\nexport type X = Stats;",
    'src/core/environment.ts': 'export const x = process.env;',
    'src/core/network.ts': "export const x = fetch('http://localhost');",
    'src/core/way-round.ts': 'export const x = globalThis.setTimeout;',
  };
  const allowed: Record<string, string> = {
    'src/core/clock.ts': 'export const now = () => Date.now();',
    'src/core/random.ts': 'export const x = Math.random();',
    'src/gateway/timer.ts': 'export const x = Date.now();',
    'src/policy/property.test.ts': 'export const x = Date.now();',
  };
  const reported = filesRefusedByBiome({ ...sources, ...allowed });
  assert.deepEqual(reported, Object.keys(sources).sort());
});

/** Runs the repository's Biome rules over `sources` in an empty folder; the refused files' names. */
function filesRefusedByBiome(sources: Readonly<Record<string, string>>): string[] {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'unbusy-layers-'));
  try {
    copyFileSync(path.join(repositoryRoot, 'biome.json'), path.join(folder, 'biome.json'));
    for (const [file, source] of Object.entries(sources)) {
      mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
      writeFileSync(path.join(folder, file), `${source}\n`);
    }
    const biome = path.join(repositoryRoot, 'node_modules/.bin/biome');
    const rules = ['noRestrictedGlobals', 'noRestrictedImports'].map((rule) => `style/${rule}`);
    const only = [...rules, 'nursery/noJsRestrictedProperties'].map((rule) => `--only=${rule}`);
    const run = spawnSync(
      biome,
      ['lint', '--vcs-enabled=false', '--reporter=json', '--max-diagnostics=none', ...only, 'src'],
      { cwd: folder, encoding: 'utf8' },
    );
    const named = [...run.stdout.matchAll(/src\/[\w./-]+\.ts/g)].map((match) => match[0]);
    return [...new Set(named)].sort();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
