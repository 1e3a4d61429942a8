/** What passes over one connection, to the byte: relayed streams must leave it good for the next. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { callRaw, rawPost } from '../../src/ingress/http/raw-caller.ts';
import { createTestGateways } from './start-test-gateway.ts';

const gatewayFor = createTestGateways();

const path = '/v1/chat/completions';
const body = JSON.stringify({ messages: [{ role: 'user', content: 'Hi' }], stream: true });
const whole = JSON.stringify({ messages: [{ role: 'user', content: 'Hi' }] });

/** The responses on one connection, each with its payload; throws where framing is not exact. */
function responses(received: string): { head: string; payload: string }[] {
  const list = [];
  let rest = Buffer.from(received);
  while (rest.length > 0) {
    const headEnd = rest.indexOf('\r\n\r\n') + 4;
    assert.ok(headEnd > 4, `no head: ${rest}`);
    const head = rest.subarray(0, headEnd).toString();
    assert.match(head, /^HTTP\/1\.1 \d{3} /);
    const length = /content-length: (\d+)/i.exec(head)?.[1];
    rest = rest.subarray(headEnd);
    let payload = '';
    if (length !== undefined) {
      payload = rest.subarray(0, Number(length)).toString();
      rest = rest.subarray(Number(length));
    } else {
      for (let size = -1; size !== 0; ) {
        const lineEnd = rest.indexOf('\r\n');
        size = Number.parseInt(rest.subarray(0, lineEnd).toString(), 16);
        payload += rest.subarray(lineEnd + 2, lineEnd + 2 + size).toString();
        assert.equal(rest.subarray(lineEnd + 2 + size, lineEnd + 4 + size).toString(), '\r\n');
        rest = rest.subarray(lineEnd + 4 + size);
      }
    }
    list.push({ head, payload });
  }
  return list;
}

for (const source of ['answers', 'relayed'] as const) {
  test(`streams, whole answers and errors take turns on one connection, ${source}`, async (t) => {
    const gateway = await gatewayFor(t, source);
    const caller = callRaw(Number(new URL(gateway.baseUrl).port));
    caller.send(rawPost(path, body) + rawPost(path, whole) + rawPost(path, '{}'));
    caller.send(rawPost(path, body, 'connection: close\r\n'));
    const [first, second, third, last, ...more] = responses(await caller.closed());
    assert.match(first?.payload ?? '', /^data: \{.*data: \[DONE\]\n\n$/s);
    assert.equal(JSON.parse(second?.payload ?? '').object, 'chat.completion');
    assert.equal(JSON.parse(third?.payload ?? '').error.param, 'messages');
    assert.match(last?.payload ?? '', /data: \[DONE\]\n\n$/);
    assert.deepEqual(more, []);
  });

  test(`an HTTP/1.0 caller gets a stream without chunks, ${source}`, async (t) => {
    const gateway = await gatewayFor(t, source);
    const caller = callRaw(Number(new URL(gateway.baseUrl).port));
    caller.send(rawPost(path, body).replace('HTTP/1.1', 'HTTP/1.0'));
    const received = await caller.closed();
    const payload = received.slice(received.indexOf('\r\n\r\n') + 4);
    assert.match(payload, /^(data: \{[^\n]*\}\n\n|: [^\n]*\n\n)+data: \[DONE\]\n\n$/);
  });
}
