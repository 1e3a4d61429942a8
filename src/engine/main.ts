/**
 * The engine process: an engine behind the socket that the gateway hands over as descriptor 3.
 *
 * It lives as long as that socket. Signals meant for the whole process group (Ctrl-C, a service
 * manager's SIGTERM) are the gateway's to act on: it drains first and then closes the socket.
 */
import { Socket } from 'node:net';
import { toUnbusyError } from '../core/errors.ts';
import { type Engine, startEngine } from './engine.ts';
import { toWire } from './engine-error.ts';
import { createFrameReader, encodeFrame } from './frames.ts';
import {
  type EngineOptions,
  engineProtocolVersion,
  type FromEngine,
  type ToEngine,
} from './protocol.ts';

const socketDescriptor = 3;

function main(): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => undefined);
  const socket = new Socket({ fd: socketDescriptor, readable: true, writable: true });
  const send = (message: FromEngine): void => {
    socket.write(encodeFrame(message));
  };
  /** Sends a last message and ends the process once it is written. */
  const fail = (thrown: unknown): void => {
    const error = toWire(toUnbusyError(thrown));
    socket.end(encodeFrame({ type: 'fatal', error } satisfies FromEngine), () => process.exit(1));
  };
  let engine: Engine | undefined;
  const start = async (options: EngineOptions): Promise<void> => {
    engine = await startEngine(options, { send, log: (line) => process.stderr.write(`${line}\n`) });
    send({ type: 'ready', model: engine.model });
  };
  const reader = createFrameReader((message) => {
    // Both sides come from one build; `init` carries the version for the case that they do not.
    const incoming = message as ToEngine;
    if (incoming.type === 'shutdown') process.exit(0);
    else if (incoming.type !== 'init') engine?.handle(incoming);
    else if (incoming.version !== engineProtocolVersion) {
      fail(new Error(`engine protocol ${engineProtocolVersion}, gateway ${incoming.version}`));
    } else void start(incoming.options).catch(fail);
  });
  socket.on('data', (chunk: Buffer) => reader.push(chunk));
  socket.on('error', () => process.exit(1));
  socket.on('close', () => process.exit(0));
}

main();
