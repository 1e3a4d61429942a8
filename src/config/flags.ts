/** What the flags of `unbusy serve` amount to, as the keys of a file would say it. */
import { resolve } from 'node:path';
import { isBlock, type Path, type Plain, type Problem } from './problem.ts';

/** Flags as they were typed; what is absent was not given. */
export interface ServeFlags {
  /** Addresses of engines that are already running. */
  readonly upstreams?: readonly string[] | undefined;
  /** A GGUF file, or `pocket-r1`. */
  readonly model?: string | undefined;
  readonly host?: string | undefined;
  readonly port?: string | undefined;
  readonly logFormat?: string | undefined;
}

export const builtInModel = 'pocket-r1';

/** Writes the flags into `root`, over what a file said. Relative model files belong to `cwd`. */
export function applyFlags(root: Plain, flags: ServeFlags, cwd: string): Problem[] {
  const server = { host: flags.host, port: numberOf(flags.port), log_format: flags.logFormat };
  const given = Object.entries(server).filter(([, value]) => value !== undefined);
  if (given.length > 0) {
    if (root['server'] === undefined || root['server'] === null) root['server'] = {};
    // A server that is no block is the schema's to refuse.
    if (isBlock(root['server'])) Object.assign(root['server'], Object.fromEntries(given));
  }
  return applyEndpoints(root, flags, cwd);
}

function applyEndpoints(root: Plain, flags: ServeFlags, cwd: string): Problem[] {
  const written = root['endpoints'];
  const hasOwn = isBlock(written) ? Object.keys(written).length > 0 : Boolean(written);
  const upstreams = flags.upstreams ?? [];
  if (hasOwn) {
    if (upstreams.length === 0 && flags.model === undefined) return [];
    const flag = upstreams.length > 0 ? '--upstream' : '--model';
    const message = `the config file names endpoints already, so ${flag} has no place; add it there`;
    return [{ path: ['endpoints'], message, atKey: true }];
  }
  const endpoints: Plain = {};
  for (const [i, url] of upstreams.entries()) {
    endpoints[`upstream-${i + 1}`] = { kind: 'openai', url };
  }
  if (flags.model === builtInModel || (flags.model === undefined && upstreams.length === 0)) {
    endpoints['demo'] = { kind: 'embedded', model: builtInModel };
  } else if (flags.model !== undefined) {
    endpoints['local'] = { kind: 'embedded', model: resolve(cwd, flags.model) };
  }
  root['endpoints'] = endpoints;
  if (upstreams.length > 0) consent(root);
  return [];
}

/** Naming an upstream on the command line is the operator's consent that prompts go there. */
function consent(root: Plain): void {
  if (root['tenants'] === undefined || root['tenants'] === null) root['tenants'] = {};
  const tenants = root['tenants'];
  if (!isBlock(tenants)) return;
  if (tenants['default'] === undefined || tenants['default'] === null) tenants['default'] = {};
  const everyone = tenants['default'];
  if (isBlock(everyone) && everyone['data'] === undefined) everyone['data'] = 'may_leave';
}

/** A port that is no number stays text, so that the message can quote it. */
function numberOf(written: string | undefined): number | string | undefined {
  return written !== undefined && /^\d+$/.test(written) ? Number(written) : written;
}

/** The flag that a path of the config was set by; undefined when a file said it. */
export function flagAt(path: Path, flags: ServeFlags): string | undefined {
  const [block, name, field] = path;
  if (block === 'server') {
    if (name === 'host' && flags.host !== undefined) return '--host';
    if (name === 'port' && flags.port !== undefined) return '--port';
    if (name === 'log_format' && flags.logFormat !== undefined) return '--log-format';
  }
  if (block === 'endpoints' && field === 'url' && flags.upstreams !== undefined)
    return '--upstream';
  if (block === 'endpoints' && field === 'model' && flags.model !== undefined) return '--model';
  return undefined;
}
