import assert from 'node:assert/strict';
import { test } from 'node:test';
import { apiBase, isLoopback, locationOf } from './address.ts';

test('prompts count as staying only where an address cannot be on the public internet', () => {
  const own = [
    'http://localhost:8000',
    'http://127.0.0.1',
    'http://[::1]:8000',
    'http://10.1.2.3',
    'http://172.16.0.1',
    'http://172.31.0.1',
    'http://192.168.1.1',
    'http://100.64.0.1',
    'http://169.254.1.1',
    'http://[fd00::1]',
    'http://[fe80::1]',
    'http://gpu-1:8000',
    'http://vllm.models.svc.cluster.local',
    'http://box.lan',
  ];
  const elsewhere = [
    'https://api.deepseek.com',
    'http://8.8.8.8',
    'http://172.32.0.1',
    'http://172.15.0.1',
    'http://100.128.0.1',
    'http://[2001:db8::1]',
    'http://10.example.com',
    'http://fd00.example.com',
  ];
  for (const url of own) assert.equal(locationOf(url), 'own', url);
  for (const url of elsewhere) assert.equal(locationOf(url), 'public', url);
});

test('only loopback counts as unreachable from elsewhere', () => {
  for (const host of ['127.0.0.1', '127.9.9.9', '::1', '[::1]', 'localhost', 'a.localhost']) {
    assert.ok(isLoopback(host), host);
  }
  for (const host of ['0.0.0.0', '::', '127.0.0.1.example.com', '10.0.0.1', 'localhost.com']) {
    assert.ok(!isLoopback(host), host);
  }
});

test('a bare origin means /v1; a path that was given stays', () => {
  assert.equal(apiBase('http://a:8000'), 'http://a:8000/v1');
  assert.equal(apiBase('http://a:8000/'), 'http://a:8000/v1');
  assert.equal(apiBase('http://a:8000/v1/'), 'http://a:8000/v1');
  assert.equal(apiBase('https://x.com/api/v3'), 'https://x.com/api/v3');
  assert.equal(apiBase(apiBase('http://a')), apiBase('http://a'));
});
