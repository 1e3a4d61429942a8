import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KeyConfig } from './config.ts';
import { keyHash } from './key-hash.ts';
import { createKeyring, newKey } from './keys.ts';

const secret = 'ub_team-a_0123456789abcdef';

function keyOf(id: string, key: string, more: Partial<KeyConfig> = {}): KeyConfig {
  return { id, tenant: 'default', scopes: ['infer'], hash: keyHash(key), ...more };
}

const team = { kind: 'key', id: 'team-a', tenant: 'default', scopes: ['infer'] };

test('J2: a key is recognised as a bearer token, bare, and in x-api-key', () => {
  const keyring = createKeyring([keyOf('team-a', secret)]);
  for (const headers of [
    { authorization: `Bearer ${secret}` },
    { authorization: `bearer  ${secret}` },
    { authorization: secret },
    { 'x-api-key': secret },
    { 'x-api-key': [secret] },
  ]) {
    assert.deepEqual(keyring.identify(headers, 0), team, JSON.stringify(headers));
    assert.deepEqual(keyring.identify(headers, 0), team, 'the second time comes from memory');
  }
});

test('J2: no key and a wrong key are told apart', () => {
  const keyring = createKeyring([keyOf('team-a', secret)]);
  assert.deepEqual(keyring.identify({}, 0), { kind: 'none' });
  assert.deepEqual(keyring.identify({ authorization: '' }, 0), { kind: 'none' });
  for (const authorization of [
    `Bearer ${secret}x`,
    `Basic ${secret}`,
    'Bearer ',
    `Bearer ${'x'.repeat(100_000)}`,
  ]) {
    assert.deepEqual(keyring.identify({ authorization }, 0), { kind: 'invalid' });
  }
});

test('J2: a key expires at the beginning of its date, also when it is remembered', () => {
  const keyring = createKeyring([keyOf('team-a', secret, { expires: '2027-01-01' })]);
  const headers = { authorization: `Bearer ${secret}` };
  const newYear = Date.parse('2027-01-01T00:00:00Z');
  assert.equal(keyring.identify(headers, newYear - 1).kind, 'key');
  assert.deepEqual(keyring.identify(headers, newYear), { kind: 'expired' });
});

test('J2: two keys with one id are valid at once', () => {
  const keyring = createKeyring([keyOf('team-a', secret), keyOf('team-a', `${secret}2`)]);
  assert.deepEqual(keyring.identify({ 'x-api-key': secret }, 0), team);
  assert.deepEqual(keyring.identify({ 'x-api-key': `${secret}2` }, 0), team);
});

test('D4: a new key names its id, has 192 random bits, and only its hash opens', () => {
  const { key, hash } = newKey('team-a');
  assert.match(key, /^ub_team-a_[0-9a-f]{48}$/);
  assert.notEqual(newKey('team-a').key, key);
  const keyring = createKeyring([{ id: 'team-a', tenant: 'default', scopes: ['infer'], hash }]);
  assert.equal(keyring.identify({ authorization: `Bearer ${key}` }, 0).kind, 'key');
  assert.equal(keyring.identify({ authorization: `Bearer ${hash}` }, 0).kind, 'invalid');
});
