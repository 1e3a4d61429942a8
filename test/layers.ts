/**
 * The layer rule as a function: which folder of `src/` may import which, and what to do instead.
 *
 * Imports point down only. Folders on one level are peers and never see each other: what two of
 * them share is a type in `src/protocol/` or a function handed in by the level above. The globals
 * and `node:*` modules that the pure folders may not touch are Biome rules in `biome.json`.
 */
import path from 'node:path';

/** From the top down; a folder may import only folders of lower levels and itself. */
const levels: readonly (readonly string[])[] = [
  ['cli'],
  ['gateway', 'simulate', 'bench', 'deploy', 'model'],
  ['ingress', 'upstream', 'engine', 'cache', 'telemetry', 'config'],
  ['policy'],
  ['protocol'],
  ['core'],
];

/** Packages that the pure folders may use: they compute and do no I/O. */
const purePackages: Readonly<Record<string, readonly string[]>> = {
  policy: [],
  protocol: ['@huggingface/jinja', 'zod'],
  core: [],
};

/** What to do instead of an import that goes up or sideways, by importing folder. */
const remedies: Readonly<Record<string, string>> = {
  gateway: 'the command line starts the gateway and hands it what it needs as options',
  simulate:
    'the simulator runs src/policy/ on a virtual clock and never the gateway: move what both need into src/policy/',
  bench: 'move what both need into a lower folder',
  deploy: 'generators turn a plan into files: take the plan as an argument',
  model: 'move what both need into a lower folder',
  ingress:
    'take a function as an argument (src/gateway/ wires it) or move the type to src/protocol/',
  upstream: 'implement the Upstream port of src/protocol/ports.ts and let src/gateway/ wire it',
  engine: 'implement a port of src/protocol/ports.ts and let src/gateway/ wire it',
  cache: 'implement a port of src/protocol/ports.ts and let src/gateway/ wire it',
  telemetry:
    'implement the TelemetrySink port of src/protocol/telemetry.ts and let src/gateway/ wire it',
  config: 'return plain values: src/cli/ and src/gateway/ hand them on',
  policy: 'a policy gets (state, input, now) and returns a decision: take the value as an argument',
  protocol: 'types and codecs know only src/core/: take the value as an argument',
  core: 'src/core/ imports nothing of ours: move the thing that needs it up',
};

/**
 * The faults of one source file of `src/`, each with its line and what to do instead.
 *
 * `file` is its path from the repository root with forward slashes.
 */
export function layerFaults(file: string, source: string): string[] {
  const folder = folderOf(file);
  const isTest = file.endsWith('.test.ts');
  if (folder === undefined) return [`${file}: is in no folder of src/ that has a layer`];
  const faults: string[] = [];
  for (const { specifier, line } of importsOf(source)) {
    const fault = specifier.startsWith('.')
      ? relativeFault(file, folder, isTest, specifier)
      : packageFault(folder, isTest, specifier);
    if (fault !== undefined) faults.push(`${file}:${line}: ${fault}`);
  }
  return faults;
}

function relativeFault(
  file: string,
  folder: string,
  isTest: boolean,
  specifier: string,
): string | undefined {
  const target = path.posix.join(path.posix.dirname(file), specifier);
  if (!target.startsWith('src/')) {
    if (isTest || target.endsWith('package.json')) return undefined;
    return `imports ${target}, which is not shipped: move what is needed under src/`;
  }
  const targetFolder = folderOf(target);
  if (targetFolder === folder) return undefined;
  const from = levelOf(folder);
  const to = targetFolder === undefined ? -1 : levelOf(targetFolder);
  if (to > from) return undefined;
  const direction = to === from ? 'sideways' : 'upwards';
  const remedy = isTest
    ? 'a test of several folders belongs in test/'
    : (remedies[folder] ?? 'move what is needed into a lower folder');
  return `src/${folder} imports ${direction} (${target}). Instead: ${remedy}.`;
}

function packageFault(folder: string, isTest: boolean, specifier: string): string | undefined {
  const allowed = purePackages[folder];
  if (isTest || allowed === undefined || specifier.startsWith('node:')) return undefined;
  const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
  if (allowed.includes(name)) return undefined;
  return `src/${folder} imports the package ${name}. Instead: use it in an adapter and pass values in.`;
}

/** `src/policy/queue/order.ts` → `policy`; undefined where the folder has no layer. */
function folderOf(file: string): string | undefined {
  const folder = file.split('/')[1];
  return folder !== undefined && levelOf(folder) >= 0 ? folder : undefined;
}

function levelOf(folder: string): number {
  return levels.findIndex((names) => names.includes(folder));
}

/** Import, re-export and `import()` specifiers. Biome's formatting makes the pattern enough. */
function* importsOf(source: string): Iterable<{ specifier: string; line: number }> {
  const pattern =
    /^(?:import|export)\b[^'"`;]*?from\s*['"]([^'"]+)['"]|^import\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/gm;
  for (const match of source.matchAll(pattern)) {
    const specifier = match[1] ?? match[2] ?? match[3] ?? '';
    const end = match.index + match[0].length;
    yield { specifier, line: source.slice(0, end).split('\n').length };
  }
}
