/**
 * From a file that has the right shape to a `Config` that makes sense: secrets resolved, addresses
 * normalised, references between blocks checked. Faults are collected, not thrown.
 */
import { resolve } from 'node:path';
import { apiBase, isLoopback, locationOf } from './address.ts';
import { toCamel } from './case.ts';
import type { Config, EndpointConfig, KeyConfig } from './config.ts';
import { builtInModel } from './flags.ts';
import { keyHash } from './key-hash.ts';
import { nearest } from './nearest.ts';
import type { Path, Problem } from './problem.ts';
import type { FileConfig } from './schema.ts';
import { resolveSecret, type Secret, type SecretSources } from './secret.ts';

export interface FinishContext extends SecretSources {
  /** Folder that relative model files are in. */
  readonly directory: string;
  /** Listen beyond loopback without keys. */
  readonly insecure: boolean;
}

type FileEndpoint = FileConfig['endpoints'][string];
type FileHttpEndpoint = Exclude<FileEndpoint, { kind: 'embedded' }>;

/** Shorter keys than this could be found by trying; `unbusy key new` makes them longer. */
const keyLengthMin = 20;

/** Completes `file`; problems that it finds are appended to `problems`. */
export function finish(file: FileConfig, context: FinishContext, problems: Problem[]): Config {
  const endpoints: Record<string, EndpointConfig> = {};
  for (const [name, endpoint] of Object.entries(file.endpoints)) {
    endpoints[name] = finishEndpoint(endpoint, ['endpoints', name], context, problems);
  }
  const keys = file.keys.flatMap((key, i) => finishKey(key, ['keys', i], context, problems));
  const tenants = { ...file.tenants, default: file.tenants['default'] ?? defaultTenant() };
  problems.push(...checkReferences(file), ...checkKeys(keys), ...checkServer(file, keys, context));
  return { ...toCamel({ ...file, tenants }), endpoints, keys };
}

function defaultTenant(): FileConfig['tenants'][string] {
  return { weight: 1, class: 'interactive', data: 'stays' };
}

function finishEndpoint(
  endpoint: FileEndpoint,
  path: Path,
  context: FinishContext,
  problems: Problem[],
): EndpointConfig {
  const { first_token_ms: first, total_ms: total } = endpoint.timeouts;
  if (first > total) {
    const message = `found ${first}; allowed: at most total_ms, which is ${total}`;
    problems.push({ path: [...path, 'timeouts', 'first_token_ms'], message });
  }
  if (endpoint.kind !== 'embedded') return finishHttp(endpoint, path, context, problems);
  const { preferred_batch_size: preferred, max_batch_size: max } = endpoint.dynamic_batching;
  for (const [i, size] of preferred.entries()) {
    if (size <= max) continue;
    const message = `found ${size}; allowed: at most max_batch_size, which is ${max}`;
    problems.push({ path: [...path, 'dynamic_batching', 'preferred_batch_size', i], message });
  }
  const model =
    endpoint.model === builtInModel ? builtInModel : resolve(context.directory, endpoint.model);
  return toCamel({ ...endpoint, model });
}

function finishHttp(
  endpoint: FileHttpEndpoint,
  path: Path,
  context: FinishContext,
  problems: Problem[],
): EndpointConfig {
  const { key: writtenKey, headers: writtenHeaders, ...rest } = endpoint;
  const headers: Record<string, Secret> = {};
  for (const [name, written] of Object.entries(writtenHeaders)) {
    const secret = secretAt(written, [...path, 'headers', name], context, problems);
    if (secret !== undefined) headers[name] = secret;
  }
  const key = secretAt(writtenKey, [...path, 'key'], context, problems);
  return {
    ...toCamel(rest),
    url: apiBase(endpoint.url),
    location: endpoint.location ?? locationOf(endpoint.url),
    headers,
    ...(key === undefined ? {} : { key }),
  };
}

function secretAt(
  written: string | undefined,
  path: Path,
  context: FinishContext,
  problems: Problem[],
): Secret | undefined {
  if (written === undefined) return undefined;
  const resolved = resolveSecret(written, context);
  if (resolved.kind === 'value') return resolved.secret;
  problems.push({ path, message: resolved.message });
  return undefined;
}

function finishKey(
  key: FileConfig['keys'][number],
  path: Path,
  context: FinishContext,
  problems: Problem[],
): KeyConfig[] {
  const { hash: written, secret: writtenSecret, ...rest } = key;
  if ((written === undefined) === (writtenSecret === undefined)) {
    problems.push({ path, message: 'allowed: exactly one of hash and secret' });
    return [];
  }
  if (written !== undefined) return [{ ...toCamel(rest), hash: written }];
  const secret = secretAt(writtenSecret, [...path, 'secret'], context, problems);
  if (secret === undefined) return [];
  if (secret.reveal().length < keyLengthMin) {
    const message = `the key is too short to be safe; allowed: at least ${keyLengthMin} characters`;
    problems.push({ path: [...path, 'secret'], message });
  }
  return [{ ...toCamel(rest), hash: keyHash(secret.reveal()) }];
}

/** Pools name endpoints, keys name tenants. */
function checkReferences(file: FileConfig): Problem[] {
  const problems: Problem[] = [];
  for (const [model, { pool }] of Object.entries(file.models)) {
    for (const [i, name] of pool.entries()) {
      const path = ['models', model, 'pool', i];
      if (!Object.hasOwn(file.endpoints, name)) {
        problems.push({ path, message: unknownName('endpoint', name, file.endpoints) });
      } else if (pool.indexOf(name) !== i) {
        problems.push({ path, message: `"${name}" is in the pool twice; give it more weight` });
      }
    }
  }
  for (const [i, { tenant }] of file.keys.entries()) {
    if (tenant === 'default' || Object.hasOwn(file.tenants, tenant)) continue;
    problems.push({
      path: ['keys', i, 'tenant'],
      message: unknownName('tenant', tenant, { ...file.tenants, default: undefined }),
    });
  }
  return problems;
}

function unknownName(what: string, name: string, known: Readonly<Record<string, unknown>>): string {
  const names = Object.keys(known);
  const close = nearest(name, names);
  const hint = close === undefined ? '' : `; did you mean "${close}"?`;
  return `there is no ${what} "${name}"${hint}; allowed: ${names.join(', ') || 'none is defined'}`;
}

/** Keys of one id stand in for each other, so they must not differ in who they are. */
function checkKeys(keys: readonly KeyConfig[]): Problem[] {
  const problems: Problem[] = [];
  for (const [i, key] of keys.entries()) {
    const earlier = keys.slice(0, i);
    if (earlier.some((other) => other.hash === key.hash)) {
      problems.push({ path: ['keys', i], message: 'the same key is in the list twice' });
    }
    const namesake = earlier.find((other) => other.id === key.id);
    if (namesake !== undefined && namesake.tenant !== key.tenant) {
      const message = `an earlier key "${key.id}" is of tenant "${namesake.tenant}"; allowed: the same tenant, or another id`;
      problems.push({ path: ['keys', i, 'tenant'], message });
    }
  }
  return problems;
}

function checkServer(
  { server }: FileConfig,
  keys: readonly KeyConfig[],
  { insecure }: FinishContext,
): Problem[] {
  if (isLoopback(server.host)) return [];
  const problems: Problem[] = [];
  if (keys.length === 0 && !insecure) {
    const message =
      `${server.host} is reachable from other machines and no keys are set; ` +
      'add keys: (`unbusy key new ID` makes one), use 127.0.0.1, or start with --insecure';
    problems.push({ path: ['server', 'host'], message });
  }
  if (server.port !== 0 && server.port === server.admin_port) {
    const message = `found ${server.port}, which is server.port; allowed: another port`;
    problems.push({ path: ['server', 'admin_port'], message });
  }
  return problems;
}
