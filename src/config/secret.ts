/**
 * Secrets in the config: written as `"${ENV}"` or `"${file:/run/secrets/x}"`, resolved once at load,
 * and never shown again. A `Secret` prints as its reference, so that no log line, error or
 * `config print` can hold its value by accident.
 */
import { inspect } from 'node:util';

/** What is printed in place of a secret that was written out literally. */
export const redacted = '<redacted>';

const reference = /\$\{([^}]*)\}/g;

export class Secret {
  /** How the file wrote it, where that is a reference; else `<redacted>`. */
  readonly written: string;
  readonly #value: string;

  constructor(written: string, value: string) {
    this.written = written.includes('${') ? written : redacted;
    this.#value = value;
  }

  /** The value itself. Only for the place that sends it. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return this.written;
  }

  toJSON(): string {
    return this.written;
  }

  [inspect.custom](): string {
    return this.written;
  }
}

/** Where references are looked up. */
export interface SecretSources {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Reads a file named by a reference; throws when it cannot. */
  readonly readFile: (path: string) => string;
}

export type Resolved =
  | { readonly kind: 'value'; readonly secret: Secret }
  | { readonly kind: 'fault'; readonly message: string };

/** Replaces every reference in `written`. Messages name the reference and never its value. */
export function resolveSecret(written: string, sources: SecretSources): Resolved {
  if (written === redacted) {
    return fault(`${redacted} stands for a secret that was not printed; write the secret again`);
  }
  let message: string | undefined;
  const value = written.replace(reference, (whole, name: string) => {
    const found = lookUp(name, sources);
    if (typeof found === 'string') return found;
    message ??= `${whole}: ${found.fault}`;
    return '';
  });
  if (message !== undefined) return fault(message);
  // A header value with a line break would smuggle in a second header.
  if (hasControlCharacter(value)) return fault('the resolved value holds a control character');
  if (value === '') return fault('the secret is empty');
  return { kind: 'value', secret: new Secret(written, value) };
}

function lookUp(name: string, sources: SecretSources): string | { readonly fault: string } {
  if (name.startsWith('file:')) {
    const path = name.slice('file:'.length);
    try {
      return sources.readFile(path).replace(/\r?\n$/, '');
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
      return { fault: `the file ${path} cannot be read (${code})` };
    }
  }
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    return { fault: `allowed: \${NAME} for an environment variable or \${file:/path}` };
  }
  const value = sources.env[name];
  return value === undefined || value === ''
    ? { fault: `the environment variable ${name} is not set` }
    : value;
}

function hasControlCharacter(value: string): boolean {
  return [...value].some((character) => character < ' ' || character === '\u007f');
}

function fault(message: string): Resolved {
  return { kind: 'fault', message };
}
