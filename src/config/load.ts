/**
 * From `unbusy.yaml`, flags and the environment to a `Config`.
 *
 * The order: read YAML with positions → map article blocks → take out keys of later versions →
 * lay flags over → check against the schema → finish (secrets, references). Each step collects its
 * problems, so that one run names all of them with file, line and column.
 */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { UnbusyError } from '../core/errors.ts';
import { mapArticleBlocks } from './article-block.ts';
import type { Config } from './config.ts';
import { finish } from './finish.ts';
import { applyFlags, flagAt, type ServeFlags } from './flags.ts';
import { problemsOf } from './issue-text.ts';
import { type Plain, type Problem, pathText } from './problem.ts';
import { fileSchema } from './schema.ts';
import { readYaml } from './source.ts';
import { takeUnavailable } from './unavailable.ts';

export type { Config } from './config.ts';
export type { ServeFlags } from './flags.ts';

export interface LoadOptions {
  /** The config file; absent: defaults and flags alone. */
  readonly path?: string | undefined;
  readonly flags?: ServeFlags | undefined;
  /** Allow listening beyond loopback without keys. */
  readonly insecure?: boolean | undefined;
  /** Default: the process's own. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  readonly cwd?: string | undefined;
  /** Default: from disk, UTF-8. */
  readonly readFile?: ((path: string) => string) | undefined;
}

export interface LoadedConfig {
  readonly config: Config;
  /** One line each. */
  readonly warnings: readonly string[];
  /** The file's path as given, or `command line` or `defaults`. */
  readonly source: string;
}

/**
 * Loads and checks everything that `unbusy serve` starts from.
 *
 * @throws UnbusyError of kind invalid_request, code `invalid_config`: its message has one line per
 * problem, each beginning with `file:line:column:` or the flag at fault.
 */
export function loadConfig(options: LoadOptions = {}): LoadedConfig {
  const { path, flags = {}, insecure = false } = options;
  const cwd = options.cwd ?? process.cwd();
  const readFile = options.readFile ?? ((file: string) => readFileSync(file, 'utf8'));
  const source = path ?? (Object.keys(flags).length > 0 ? 'command line' : 'defaults');
  const yaml = readYaml(
    path === undefined ? '' : readConfigFile(resolve(cwd, path), path, readFile),
    source,
  );
  if (yaml.faults.length > 0) throw invalidConfig(yaml.faults);

  const locate = (problem: Problem): string => {
    const flag = flagAt(problem.path, flags);
    if (flag !== undefined) return `${flag}: ${problem.message}`;
    return path === undefined
      ? `${source}: ${pathText(problem.path)}: ${problem.message}`
      : yaml.locate(problem);
  };
  dropEmptyBlocks(yaml.root);
  const linesOf = (found: readonly Problem[]): string[] =>
    found.toSorted((a, b) => yaml.offset(a) - yaml.offset(b)).map(locate);
  const articles = mapArticleBlocks(yaml.root);
  const problems = [
    ...articles.problems,
    ...takeUnavailable(yaml.root),
    ...applyFlags(yaml.root, flags, cwd),
  ];
  const parsed = fileSchema.safeParse(yaml.root);
  if (!parsed.success) {
    problems.push(...problemsOf(parsed.error.issues, yaml.root));
    throw invalidConfig(linesOf(problems));
  }
  const directory = path === undefined ? cwd : dirname(resolve(cwd, path));
  const config = finish(
    parsed.data,
    {
      directory,
      insecure,
      env: options.env ?? process.env,
      readFile: (file) => readFile(resolve(directory, file)),
    },
    problems,
  );
  if (problems.length > 0) throw invalidConfig(linesOf(problems));
  return { config, warnings: linesOf(articles.warnings), source };
}

/** What `unbusy serve` with these flags and no file amounts to. Throws as `loadConfig` does. */
export function configFromFlags(
  flags: ServeFlags,
  options: { readonly insecure?: boolean } = {},
): LoadedConfig {
  return loadConfig({ flags, insecure: options.insecure });
}

/** `keys:` with nothing after it means the same as no `keys:`. */
function dropEmptyBlocks(root: Plain): void {
  for (const block of Object.keys(fileSchema.shape)) {
    if (root[block] === null) delete root[block];
  }
}

function readConfigFile(
  absolute: string,
  shown: string,
  readFile: (path: string) => string,
): string {
  try {
    return readFile(absolute);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
    const why = code === 'ENOENT' ? 'there is no such file' : `it cannot be read (${code})`;
    throw new UnbusyError('invalid_request', 'invalid_config', `${shown}: ${why}`, {
      cause: error,
    });
  }
}

function invalidConfig(lines: readonly string[]): UnbusyError {
  return new UnbusyError('invalid_request', 'invalid_config', lines.join('\n'));
}
