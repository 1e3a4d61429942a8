/**
 * Builds `dist/`, the JavaScript that the published package runs: Node does not strip types from
 * files under `node_modules`. A clone never needs it. The tree of `dist/` is that of `src/`, so
 * that a path relative to a source file leads to the same place from its built one.
 */
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import path from 'node:path';

const root = path.join(import.meta.dirname, '..');

rmSync(path.join(root, 'dist'), { recursive: true, force: true });
const compiler = path.join(root, 'node_modules/typescript/bin/tsc');
const built = spawnSync(process.execPath, [compiler, '--project', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
});
process.exitCode = built.status ?? 1;
