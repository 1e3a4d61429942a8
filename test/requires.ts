/**
 * For tests that need a program which not every machine has (Redis, nginx, a browser).
 *
 * Without it a developer's run skips the test with a line that says so; continuous integration
 * (`CI=true`) fails instead, because there a test that never runs would go unnoticed.
 */
import { accessSync, constants } from 'node:fs';
import path from 'node:path';

/**
 * Options for `test(name, requires('nginx'), …)`: skips where `program` is not on the PATH.
 * Throws where it is missing and `environment.CI` is `true`.
 */
export function requires(
  program: string,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): { readonly skip: string | false } {
  if (isOnPath(program, environment['PATH'] ?? '')) return { skip: false };
  if (environment['CI'] === 'true') throw new Error(`CI=true, and ${program} is not on the PATH`);
  return { skip: `${program} is not on the PATH` };
}

function isOnPath(program: string, searchPath: string): boolean {
  return searchPath.split(path.delimiter).some((folder) => {
    try {
      accessSync(path.join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
