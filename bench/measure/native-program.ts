/** Compiles a C program of `bench/native` when it is missing or older than its sources. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';

const sources = path.join(import.meta.dirname, '../native');
const built = path.join(import.meta.dirname, '../.cache');

/** Path of the ready program. Throws with the compiler's message. */
export function nativeProgram(name: string): string {
  const program = path.join(built, name);
  const newest = Math.max(
    ...readdirSync(sources).map((file) => statSync(path.join(sources, file)).mtimeMs),
  );
  const age = statSync(program, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (age < newest) {
    mkdirSync(built, { recursive: true });
    const source = path.join(sources, `${name}.c`);
    execFileSync('cc', ['-O2', '-Wall', '-Wextra', '-o', program, source], { stdio: 'inherit' });
  }
  return program;
}
