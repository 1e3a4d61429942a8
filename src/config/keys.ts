/**
 * Callers' keys: who a header belongs to (J2, D4).
 *
 * A key reads `ub_<id>_<secret>`: the prefix lets scanners find leaked ones, the id says which one
 * it was, the secret is 192 random bits. Only its SHA-256 is kept; a plain hash is enough because
 * a secret of that length cannot be guessed, and looking the hash up in a map tells nothing by its
 * timing that would help to find a key. Keys of other shapes work too, if they are long enough.
 *
 * The keyring remembers the headers of valid keys, so that a known caller costs one map look-up.
 * Unknown ones are hashed each time: remembering them would let strangers fill the memory.
 */
import { randomBytes } from 'node:crypto';
import type { KeyConfig, Scope } from './config.ts';
import { keyHash } from './key-hash.ts';

export type KeyIdentity =
  | {
      readonly kind: 'key';
      readonly id: string;
      readonly tenant: string;
      readonly scopes: readonly Scope[];
    }
  /** No key was sent. */
  | { readonly kind: 'none' }
  | { readonly kind: 'invalid' }
  | { readonly kind: 'expired' };

/** Request headers, names in lower case. */
export type CallerHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

export interface Keyring {
  /** Reads `authorization: Bearer …`, else `x-api-key`. `nowMs`: since the epoch. */
  identify(headers: CallerHeaders, nowMs: number): KeyIdentity;
}

interface KnownKey {
  readonly identity: KeyIdentity;
  /** Ms since the epoch; infinite for keys that do not expire. */
  readonly expiresAtMs: number;
}

const none: KeyIdentity = { kind: 'none' };
const invalid: KeyIdentity = { kind: 'invalid' };
const expired: KeyIdentity = { kind: 'expired' };

/** Headers remembered; one key seldom comes in more than two spellings. */
const rememberedMax = 10_000;

/** Longest header that is worth hashing, characters. */
const headerLengthMax = 4096;

/** A keyring over the keys of a config. Of two keys with one id both are valid. */
export function createKeyring(keys: readonly KeyConfig[]): Keyring {
  const byHash = new Map<string, KnownKey>(keys.map((key) => [key.hash, knownKey(key)]));
  const byHeader = new Map<string, KnownKey>();

  return {
    identify(headers, nowMs) {
      const written = writtenKey(headers);
      if (written === undefined) return none;
      const remembered = byHeader.get(written);
      if (remembered !== undefined) return unlessExpired(remembered, nowMs);
      const token = tokenOf(written);
      const known = token === undefined ? undefined : byHash.get(keyHash(token));
      if (known === undefined) return invalid;
      if (byHeader.size >= rememberedMax) byHeader.clear();
      byHeader.set(written, known);
      return unlessExpired(known, nowMs);
    },
  };
}

function knownKey({ id, tenant, scopes, expires }: KeyConfig): KnownKey {
  return {
    identity: { kind: 'key', id, tenant, scopes },
    expiresAtMs: expires === undefined ? Number.POSITIVE_INFINITY : Date.parse(expires),
  };
}

function unlessExpired(key: KnownKey, nowMs: number): KeyIdentity {
  return nowMs < key.expiresAtMs ? key.identity : expired;
}

/** The header that holds the key, as it was written. */
function writtenKey(headers: CallerHeaders): string | undefined {
  const written = headers['authorization'] ?? headers['x-api-key'];
  const first = typeof written === 'string' ? written : written?.[0];
  return first === '' ? undefined : first;
}

function tokenOf(written: string): string | undefined {
  if (written.length > headerLengthMax) return undefined;
  const space = written.indexOf(' ');
  if (space === -1) return written;
  return /^bearer$/i.test(written.slice(0, space)) ? written.slice(space + 1).trim() : undefined;
}

/** A fresh key for `id`. The only moment at which the key itself exists on our side. */
export function newKey(id: string): { readonly key: string; readonly hash: string } {
  const key = `ub_${id}_${randomBytes(24).toString('hex')}`;
  return { key, hash: keyHash(key) };
}
