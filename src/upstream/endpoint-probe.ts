/**
 * Asks an endpoint what it is, what it serves and how it is: a few small GETs, told as facts or as
 * a reason why it cannot answer yet. Used at start, every few seconds while it is down, and lightly
 * while it is up. Never asks an engine to generate.
 */
import type { UpstreamModel } from '../protocol/ports.ts';
import type { WireEngine } from '../protocol/wire-request.ts';
import { detectEngine, isModelList, readModels, readSlots } from './engine-detection.ts';
import { type EngineMetrics, readEngineMetrics } from './engine-metrics.ts';
import { type Answer, AskFailure, ask } from './http-ask.ts';
import type { HttpClient } from './http1/http-client.ts';
import { readErrorBody } from './openai-error.ts';

export interface ProbeOptions {
  readonly client: HttpClient;
  /** What the operator gave; may end in /v1 or not. */
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly upstreamModel: string | undefined;
  /** Given by the operator: not detected. */
  readonly engine: WireEngine | undefined;
}

export interface EndpointFacts {
  readonly engine: WireEngine;
  /** Path in front of `/chat/completions`. */
  readonly apiBase: string;
  /** Path in front of an engine's own routes. */
  readonly rootBase: string;
  readonly models: readonly UpstreamModel[];
  readonly slots: number | undefined;
  /** Absent where the engine shows none. */
  readonly metrics: EngineMetrics | undefined;
}

/**
 * Why it cannot answer now. `loading`: it says that it will; `refused`: it answered, but not as it
 * should; `silent`: nothing came in time, which happens to a full engine too; `unreachable`: nobody
 * is there.
 */
export type ProbeFailureKind = 'loading' | 'refused' | 'silent' | 'unreachable';

export class ProbeFailure extends Error {
  override readonly name = 'ProbeFailure';
  readonly kind: ProbeFailureKind;

  constructor(kind: ProbeFailureKind, message: string) {
    super(message);
    this.kind = kind;
  }
}

const PROBE_TIMEOUT_MS = 5000;
const PROBE_BYTES_MAX = 8 * 1024 * 1024;

/** Everything about the endpoint. Rejects with `ProbeFailure`. */
export async function detectEndpoint(options: ProbeOptions): Promise<EndpointFacts> {
  const { apiBase, models } = await findModels(options);
  const rootBase = apiBase.replace(/\/v1$/, '');
  const [version, modelInfo, props, metrics] = await Promise.all([
    askJson(options, `${rootBase}/version`),
    firstJson(options, ['/get_model_info', '/model_info', '/server_info'], rootBase),
    askJson(options, `${rootBase}/props`),
    askMetrics(options, rootBase),
  ]);
  const metricsOf = metrics?.engine;
  const engine = options.engine ?? detectEngine({ models, version, modelInfo, props, metricsOf });
  const facts = {
    engine,
    apiBase,
    rootBase,
    models: offered(readModels(models, props), options.upstreamModel),
    slots: readSlots(props),
    metrics: metricsOf === undefined ? undefined : metrics,
  };
  if (facts.models.length === 0) {
    const wanted = 'name one with upstream_model';
    throw new ProbeFailure('refused', `GET ${apiBase}/models lists no models; ${wanted}`);
  }
  await checkHealth(options, facts);
  return facts;
}

/** The same facts a little later. Rejects with `ProbeFailure`. */
export async function refreshEndpoint(
  options: ProbeOptions,
  facts: EndpointFacts,
): Promise<EndpointFacts> {
  const { apiBase, rootBase, engine } = facts;
  const [{ models }, props, metrics] = await Promise.all([
    findModels(options),
    engine === 'llama-server' ? askJson(options, `${rootBase}/props`) : undefined,
    facts.metrics === undefined ? undefined : askMetrics(options, rootBase),
    checkHealth(options, facts),
  ]);
  const listed = offered(readModels(models, props), options.upstreamModel);
  return { ...facts, apiBase, models: listed, slots: readSlots(props) ?? facts.slots, metrics };
}

/** Where the API lies: as given, or below `/v1` where the address names no version. */
function candidateBases(url: URL): readonly string[] {
  const path = url.pathname.replace(/\/+$/, '');
  if (path === '') return ['/v1', ''];
  return path.endsWith('/v1') ? [path] : [path, `${path}/v1`];
}

async function findModels(
  options: ProbeOptions,
): Promise<{ readonly apiBase: string; readonly models: unknown }> {
  const bases = candidateBases(options.url);
  let said = '';
  for (const apiBase of bases) {
    const path = `${apiBase}/models`;
    const answer = await askOrFail(options, path);
    const models = answer.status === 200 ? parse(answer.body) : undefined;
    if (isModelList(models)) return { apiBase, models };
    refuseStatus(path, answer);
    said = answer.status === 200 ? 'no list of models' : `status ${answer.status}`;
  }
  // Some providers list nothing; the operator's word is enough then.
  const [apiBase = '/v1'] = bases;
  if (options.upstreamModel !== undefined) return { apiBase, models: { data: [] } };
  const tried = bases.map((base) => `GET ${base}/models`).join(' and ');
  throw new ProbeFailure('refused', `${tried} gave ${said}: is the url that of an OpenAI API?`);
}

/** Statuses that say more than "not here". */
function refuseStatus(path: string, { status, body }: Answer): void {
  if (status === 401 || status === 403) {
    throw new ProbeFailure('refused', `GET ${path} answered ${status}: the key is not accepted`);
  }
  if (status === 503) {
    throw new ProbeFailure('loading', `GET ${path} answered 503: ${readErrorBody(body).message}`);
  }
  if (status >= 500 || status === 429) {
    const { message } = readErrorBody(body);
    // Being asked too often says nothing about whether it can generate.
    const kind = status === 429 ? 'silent' : 'refused';
    throw new ProbeFailure(kind, `GET ${path} answered ${status}: ${message}`);
  }
}

/** `/health` where it costs the engine nothing (SGLang's makes it generate). */
async function checkHealth(
  options: ProbeOptions,
  { engine, rootBase }: Pick<EndpointFacts, 'engine' | 'rootBase'>,
): Promise<void> {
  if (engine !== 'vllm' && engine !== 'llama-server') return;
  const answer = await askOrFail(options, `${rootBase}/health`);
  if (answer.status < 500) return;
  const loading = engine === 'llama-server' && answer.status === 503;
  const { message } = readErrorBody(answer.body);
  throw new ProbeFailure(
    loading ? 'loading' : 'refused',
    `GET /health answered ${answer.status}: ${message}`,
  );
}

function offered(
  listed: readonly UpstreamModel[],
  upstreamModel: string | undefined,
): readonly UpstreamModel[] {
  if (upstreamModel === undefined) return listed;
  return [listed.find(({ id }) => id === upstreamModel) ?? { id: upstreamModel }];
}

async function askMetrics(
  options: ProbeOptions,
  rootBase: string,
): Promise<EngineMetrics | undefined> {
  const answer = await askQuietly(options, `${rootBase}/metrics`);
  return answer === undefined ? undefined : readEngineMetrics(answer.body.toString());
}

async function firstJson(
  options: ProbeOptions,
  paths: readonly string[],
  base: string,
): Promise<unknown> {
  for (const path of paths) {
    const value = await askJson(options, base + path);
    if (value !== undefined) return value;
  }
  return undefined;
}

async function askJson(options: ProbeOptions, path: string): Promise<unknown> {
  const answer = await askQuietly(options, path);
  return answer === undefined ? undefined : parse(answer.body);
}

/** A 200, or undefined: what is not there is not there. */
async function askQuietly(options: ProbeOptions, path: string): Promise<Answer | undefined> {
  try {
    const answer = await askOrFail(options, path);
    return answer.status === 200 ? answer : undefined;
  } catch (thrown) {
    if (thrown instanceof ProbeFailure) return undefined;
    throw thrown;
  }
}

async function askOrFail({ client, headers }: ProbeOptions, path: string): Promise<Answer> {
  try {
    return await ask(client, {
      method: 'GET',
      path,
      headers,
      timeoutMs: PROBE_TIMEOUT_MS,
      bytesMax: PROBE_BYTES_MAX,
    });
  } catch (thrown) {
    if (!(thrown instanceof AskFailure)) throw thrown;
    const silent = thrown.kind === 'first_byte_timeout' || thrown.kind === 'idle_timeout';
    // Where nobody is there it does not matter what was asked.
    if (silent) throw new ProbeFailure('silent', `GET ${path}: ${thrown.message}`);
    throw new ProbeFailure('unreachable', thrown.message);
  }
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
}
