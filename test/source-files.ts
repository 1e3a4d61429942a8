/**
 * The files of this repository as a clone has them: what the house rules look at.
 *
 * Walks the tree instead of asking git, because the checks must also work in an unpacked archive.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

export const repositoryRoot = path.join(import.meta.dirname, '..');

/** Folders that hold what others made or what a build writes. */
const skippedFolders = new Set([
  'node_modules',
  'dist',
  '.git',
  '.cache',
  'coverage',
  'build',
  'out',
]);

/** Paths from the root, forward slashes, sorted, of files whose name ends in one of `endings`. */
export function repositoryFiles(folder: string, endings: readonly string[]): string[] {
  const found: string[] = [];
  const walk = (current: string): void => {
    for (const entry of readdirSync(path.join(repositoryRoot, current), { withFileTypes: true })) {
      const file = path.posix.join(current, entry.name);
      if (entry.isDirectory() && !skippedFolders.has(entry.name)) walk(file);
      if (entry.isFile() && endings.some((ending) => entry.name.endsWith(ending))) found.push(file);
    }
  };
  walk(folder);
  return found.sort();
}

export function readRepositoryFile(file: string): string {
  return readFileSync(path.join(repositoryRoot, file), 'utf8');
}
