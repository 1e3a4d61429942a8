/**
 * An engine that is none: an OpenAI-compatible server over real sockets that plays vLLM, SGLang,
 * llama-server or a plain API, and fails in whatever way it is told to. For tests, demonstrations
 * and chaos runs; it listens on loopback only.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { WireEngine } from '../protocol/wire-request.ts';
import { type FakeAnswer, type FakeRequest, fakeBody, fakeEvents } from './fake-answer.ts';
import { fakeSideAnswer } from './fake-engine-routes.ts';

/** How one generation request is met. */
export type FakeBehaviour =
  | ({ readonly kind: 'answer' } & FakeAnswer & FakeFaults)
  /** Accepts the request and says nothing. */
  | { readonly kind: 'hang' }
  /** Closes the connection instead of answering. */
  | { readonly kind: 'reset' }
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly body: string;
      readonly headers?: Readonly<Record<string, string>>;
    }
  /** These bytes, head included, then the connection is closed. */
  | { readonly kind: 'raw'; readonly bytes: readonly (string | Uint8Array)[] };

export interface FakeFaults {
  /** Between events, ms. */
  readonly paceMs?: number;
  /** SSE comments, or empty lines before a JSON body, that come first. */
  readonly keepAlives?: number;
  /** After so many events the stream ends: cleanly, but without `[DONE]`, or in mid-air. */
  readonly cut?: { readonly afterEvents: number; readonly by: 'end' | 'destroy' };
  /** Text put into the stream after so many events: an error event, half an event, anything. */
  readonly insert?: { readonly afterEvents: number; readonly text: string };
  /** Each byte is a chunk of its own. */
  readonly byteByByte?: boolean;
  readonly omitDone?: boolean;
}

export interface FakeUpstreamOptions {
  readonly engine?: WireEngine;
  readonly model?: string;
  /** Asked for as a bearer token where given. */
  readonly key?: string;
  readonly contextTokens?: number;
  /** llama-server's slots. */
  readonly slots?: number;
  /** Default: answers every request at once. */
  readonly behaviour?: FakeBehaviour | ((request: FakeRequest) => FakeBehaviour);
  /** Default 0: any free port. */
  readonly port?: number;
}

export interface FakeUpstream {
  /** `http://127.0.0.1:port` */
  readonly url: string;
  readonly port: number;
  /** Generation requests, oldest first. */
  readonly requests: readonly FakeRequest[];
  /** Generation requests that are being answered. */
  readonly inFlight: number;
  /** Generation requests whose caller left before the end. */
  readonly aborted: number;
  /** Changes what happens to later requests. */
  behave(behaviour: FakeBehaviour | ((request: FakeRequest) => FakeBehaviour)): void;
  /** While true llama-server and SGLang say that they load. */
  setLoading(loading: boolean): void;
  /** While true nothing beside generation is answered, as by an engine that is overrun. */
  setSilent(silent: boolean): void;
  /** Closes the port and every connection: from now on connections are refused. */
  close(): Promise<void>;
}

/** Starts to listen. Rejects where the port is taken. */
export async function createFakeUpstream(options: FakeUpstreamOptions = {}): Promise<FakeUpstream> {
  const engine = options.engine ?? 'openai';
  const model = options.model ?? 'deepseek-r1';
  let behaviour = options.behaviour ?? { kind: 'answer' };
  const state = {
    requests: [] as FakeRequest[],
    inFlight: 0,
    aborted: 0,
    loading: false,
    silent: false,
  };

  async function serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const request = await readRequest(incoming);
    if (options.key !== undefined && request.headers['authorization'] !== `Bearer ${options.key}`) {
      sendJson(response, 401, errorBody(engine, 401, 'bad key'));
      return;
    }
    if (request.method !== 'POST' || !request.path.endsWith('/completions')) {
      if (state.silent) return;
      const { contextTokens, slots } = options;
      const side = { engine, model, contextTokens, slots, loading: state.loading };
      const { status, body } = fakeSideAnswer(side, request);
      sendJson(response, status, body);
      return;
    }
    state.requests.push(request);
    state.inFlight += 1;
    response.on('close', () => {
      state.inFlight -= 1;
      if (!response.writableFinished) state.aborted += 1;
    });
    const chosen = typeof behaviour === 'function' ? behaviour(request) : behaviour;
    await behave(chosen, engine, request, response);
  }

  const server = createServer((incoming, response) => {
    serve(incoming, response).catch(() => response.destroy());
  });
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    get requests() {
      return state.requests;
    },
    get inFlight() {
      return state.inFlight;
    },
    get aborted() {
      return state.aborted;
    },
    behave(next) {
      behaviour = next;
    },
    setLoading(loading) {
      state.loading = loading;
    },
    setSilent(silent) {
      state.silent = silent;
    },
    close: () => closeServer(server),
  };
}

async function behave(
  behaviour: FakeBehaviour,
  engine: WireEngine,
  request: FakeRequest,
  response: ServerResponse,
): Promise<void> {
  switch (behaviour.kind) {
    case 'hang':
      return;
    case 'reset':
      response.socket?.resetAndDestroy();
      return;
    case 'status':
      response.writeHead(behaviour.status, behaviour.headers).end(behaviour.body);
      return;
    case 'raw':
      for (const bytes of behaviour.bytes) {
        response.socket?.write(bytes);
        await pause(0);
      }
      response.socket?.end();
      return;
    case 'answer':
      if (request.body['stream'] === true) await sendStream(behaviour, engine, request, response);
      else await sendBody(behaviour, engine, request, response);
      return;
    default:
      behaviour satisfies never;
  }
}

async function sendStream(
  behaviour: FakeAnswer & FakeFaults,
  engine: WireEngine,
  request: FakeRequest,
  response: ServerResponse,
): Promise<void> {
  const { paceMs = 0, cut, insert, byteByByte = false } = behaviour;
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
  response.flushHeaders();
  const events = [...fakeEvents(engine, request, behaviour)];
  if (behaviour.omitDone !== true) events.push('data: [DONE]\n\n');
  if (insert !== undefined) events.splice(insert.afterEvents, 0, insert.text);
  events.unshift(...Array<string>(behaviour.keepAlives ?? 0).fill(': keep-alive\n\n'));
  const kept = cut === undefined ? events : events.slice(0, cut.afterEvents);
  for (const text of kept) {
    for (const part of byteByByte ? bytesOf(text) : [Buffer.from(text)]) {
      if (response.destroyed) return;
      await new Promise((resolve) => response.write(part, resolve));
    }
    if (paceMs > 0) await pause(paceMs);
  }
  if (cut?.by === 'destroy') response.destroy();
  else response.end();
}

async function sendBody(
  behaviour: FakeAnswer & FakeFaults,
  engine: WireEngine,
  request: FakeRequest,
  response: ServerResponse,
): Promise<void> {
  const { paceMs = 0, keepAlives = 0, cut } = behaviour;
  const json = fakeBody(engine, request, behaviour);
  const body = Buffer.from('\n'.repeat(keepAlives) + json);
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length });
  if (keepAlives > 0) response.write(body.subarray(0, keepAlives));
  if (paceMs > 0) await pause(paceMs);
  if (cut === undefined) response.end(body.subarray(keepAlives));
  else response.write(body.subarray(keepAlives, -1), () => response.destroy());
}

async function readRequest(incoming: IncomingMessage): Promise<FakeRequest> {
  const parts: Buffer[] = [];
  for await (const part of incoming) parts.push(part as Buffer);
  const text = Buffer.concat(parts).toString();
  return {
    method: incoming.method ?? '',
    path: incoming.url ?? '',
    headers: incoming.headers,
    body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>),
  };
}

/** SGLang's errors are flat, everyone else's nested. */
function errorBody(engine: WireEngine, code: number, message: string): object {
  const fields = { message, type: 'Error', param: null, code };
  return engine === 'sglang' ? { object: 'error', ...fields } : { error: fields };
}

function sendJson(response: ServerResponse, status: number, body: string | object): void {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const contentType = typeof body === 'string' ? 'text/plain' : 'application/json';
  response.writeHead(status, { 'content-type': contentType }).end(text);
}

function bytesOf(text: string): readonly Buffer[] {
  const bytes = Buffer.from(text);
  return Array.from(bytes, (_, at) => bytes.subarray(at, at + 1));
}

/** A pause that does not keep the process alive. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
