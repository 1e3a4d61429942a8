/** The engine process as its parent sees it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Socket } from 'node:net';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { testEngineOptions } from './engine-fixture.ts';
import { createFrameReader, encodeFrame } from './frames.ts';
import { engineProtocolVersion, type FromEngine } from './protocol.ts';

function startProcess(version = engineProtocolVersion) {
  const entry = fileURLToPath(new URL('./main.ts', import.meta.url));
  const child = spawn(process.execPath, [entry], { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] });
  const socket = child.stdio[3];
  assert.ok(socket instanceof Socket);
  const messages: FromEngine[] = [];
  const arrived = Promise.withResolvers<FromEngine>();
  const reader = createFrameReader((message) => {
    const told = message as FromEngine;
    messages.push(told);
    if (told.type === 'ready' || told.type === 'fatal') arrived.resolve(told);
  });
  socket.on('data', (chunk: Buffer) => reader.push(chunk));
  socket.on('error', () => undefined);
  const options = testEngineOptions({ warmup: { requests: 2, prefixes: [] } });
  socket.write(encodeFrame({ type: 'init', version, options }));
  return { child, socket, messages, arrived: arrived.promise, exited: once(child, 'exit') };
}

test('the engine tells its progress, ignores signals meant for the group, and goes with its parent', async () => {
  const { child, socket, messages, arrived, exited } = startProcess();
  const ready = await arrived;
  assert.equal(ready.type, 'ready');
  const loading = messages.filter((message) => message.type === 'loading');
  assert.equal(loading.at(-1)?.ratio, 1);
  child.kill('SIGTERM');
  child.kill('SIGINT');
  const answered = once(socket, 'data');
  const call = { name: 'detokenize', tokens: [5] } as const;
  socket.write(encodeFrame({ type: 'call', callId: 1, call }));
  await answered;
  assert.equal(messages.at(-1)?.type, 'answer', 'still there');
  socket.destroy();
  assert.deepEqual(await exited, [0, null]);
});

test('a gateway of another build is refused before anything is loaded', async () => {
  const { messages, arrived, exited } = startProcess(engineProtocolVersion + 1);
  const fatal = await arrived;
  assert.equal(fatal.type, 'fatal');
  assert.equal(messages.length, 1);
  assert.deepEqual(await exited, [1, null]);
});
