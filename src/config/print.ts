/**
 * A `Config` as the YAML that would produce it: complete, with references in place of secrets.
 *
 * Loading what was printed gives an equal config, except for secrets that a file had written out:
 * those print as `<redacted>`, which loading refuses by name.
 */
import { stringify } from 'yaml';
import { toSnake } from './case.ts';
import type { Config } from './config.ts';
import { Secret } from './secret.ts';

/** YAML of `unbusy.yaml`, defaults written out. Never holds a secret's value. */
export function printConfig(config: Config): string {
  return stringify(printable(config), { lineWidth: 100 });
}

/** The config as the file would hold it: snake_case, secrets as references. */
export function printable(config: Config): unknown {
  return toSnake(withoutSecrets(config));
}

function withoutSecrets(value: unknown): unknown {
  if (value instanceof Secret) return value.written;
  if (Array.isArray(value)) return value.map(withoutSecrets);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, item]) => item !== undefined)
      .map(([key, item]) => [key, withoutSecrets(item)]),
  );
}
