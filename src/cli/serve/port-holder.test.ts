import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { type PortHolder, portHolder } from './port-holder.ts';

async function holderOf(listener: RequestListener): Promise<PortHolder> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    return await portHolder('127.0.0.1', (server.address() as AddressInfo).port);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

test('an engine on the port is recognised by the models that it lists', async () => {
  const { models } = await holderOf((_, response) => response.end('{"data":[{"id":"r1"}]}'));
  assert.deepEqual(models, ['r1']);
});

test('another web server is no engine', async () => {
  assert.equal((await holderOf((_, response) => response.end('<html>'))).models, undefined);
  assert.equal((await holderOf((_, response) => response.end('{"data":1}'))).models, undefined);
});

test('on Linux the program that listens is named', async () => {
  const { program } = await holderOf((_, response) => response.end());
  if (process.platform !== 'linux') return;
  assert.match(program ?? '', new RegExp(`^.+ \\(process ${process.pid}\\)$`));
});
