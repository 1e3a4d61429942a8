/**
 * The routes beside generation: models, tokens, embeddings, probes, metrics. Each asks one plain
 * function and writes down its answer.
 */
import { UnbusyError } from '../../core/errors.ts';
import { decodeModel } from '../../protocol/openai/generation-fields.ts';
import { parseJsonObject } from '../../protocol/openai/json-error.ts';
import { encodeModelList, modelObject } from '../../protocol/openai/models.ts';
import {
  type DetokenizeRequest,
  decodeDetokenizeRequest,
  decodeTokenizeRequest,
  encodeDetokenizeAnswer,
  encodeTokenizeAnswer,
  type TokenizeAnswer,
  type TokenizeRequest,
} from '../../protocol/openai/tokenize.ts';
import type { ForwardedResponse, UpstreamModel } from '../../protocol/ports.ts';
import type { HttpHandler, HttpRequest } from '../http/http-request.ts';

export interface SideRouteDeps {
  /** Models that can be asked for now. */
  readonly models: () => readonly UpstreamModel[];
  /** Since when they are served, ms since the epoch. */
  readonly startedAtMs: number;
  readonly defaultModel: () => string | undefined;
  readonly readiness: () => Readiness;
  /** Throws `UnbusyError` where the model is unknown or its engine has no tokenizer to ask. */
  readonly tokenize: (request: TokenizeRequest) => Promise<TokenizeAnswer>;
  readonly detokenize: (request: DetokenizeRequest) => Promise<string>;
  /** Passes embeddings on; throws `UnbusyError` naming what is missing. */
  readonly embed: (request: EmbedRequest) => Promise<ForwardedResponse>;
  /** Prometheus text. */
  readonly metrics: () => string | Promise<string>;
  /** Throws `UnbusyError` where the caller may not. */
  readonly authorize: (
    caller: Pick<HttpRequest, 'headers' | 'remoteAddress'>,
    scope: 'infer' | 'read',
  ) => void;
}

export interface Readiness {
  /** Some model can answer. */
  readonly ready: boolean;
  /** Endpoints that cannot, and why. */
  readonly waitingFor: readonly {
    readonly endpoint: string;
    readonly state: string;
    readonly reason?: string | undefined;
  }[];
}

export interface EmbedRequest {
  readonly id: string;
  readonly model: string;
  /** The JSON body as it came. */
  readonly body: Uint8Array;
}

/** The routes by method and path. */
export function createSideRoutes(deps: SideRouteDeps): Record<string, HttpHandler> {
  const created = Math.floor(deps.startedAtMs / 1000);
  const context = (http: HttpRequest) => ({ id: http.id, defaultModel: deps.defaultModel });
  const bodyOf = (http: HttpRequest) => parseJsonObject(http.body.toString());

  function allowed(scope: 'infer' | 'read', handler: HttpHandler): HttpHandler {
    return (http) => {
      deps.authorize(http, scope);
      return handler(http);
    };
  }

  return {
    'GET /v1/models': allowed('infer', (http) => {
      sendJson(http, 200, encodeModelList(deps.models(), created));
    }),
    'GET /v1/models/{id*}': allowed('infer', (http) => {
      const model = deps.models().find(({ id }) => id === http.params['id']);
      if (model === undefined) throw modelNotFound(http.params['id'] ?? '', deps.models());
      sendJson(http, 200, JSON.stringify(modelObject(model, created)));
    }),
    'POST /v1/embeddings': allowed('infer', async (http) => {
      const model = decodeModel(bodyOf(http), context(http));
      const answer = await deps.embed({ id: http.id, model, body: http.body });
      http.stream.send(answer.status, { 'content-type': answer.contentType }, answer.body);
    }),
    'POST /tokenize': allowed('infer', async (http) => {
      const request = decodeTokenizeRequest(bodyOf(http), context(http));
      sendJson(http, 200, encodeTokenizeAnswer(await deps.tokenize(request)));
    }),
    'POST /detokenize': allowed('infer', async (http) => {
      const request = decodeDetokenizeRequest(bodyOf(http), context(http));
      sendJson(http, 200, encodeDetokenizeAnswer(await deps.detokenize(request)));
    }),
    'GET /metrics': allowed('read', async (http) => {
      const type = 'text/plain; version=0.0.4; charset=utf-8';
      http.stream.send(200, { 'content-type': type }, await deps.metrics());
    }),
    'GET /healthz': (http) => sendJson(http, 200, '{"status":"ok"}'),
    'GET /readyz': (http) => {
      const { ready, waitingFor } = deps.readiness();
      const status = ready ? 'ready' : 'not_ready';
      sendJson(http, ready ? 200 : 503, JSON.stringify({ status, waiting_for: waitingFor }));
    },
  };
}

function sendJson(http: HttpRequest, status: number, json: string): void {
  http.stream.send(status, { 'content-type': 'application/json' }, json);
}

function modelNotFound(id: string, models: readonly UpstreamModel[]): UnbusyError {
  const known = models.map((model) => model.id).join(', ');
  const message = `there is no model ${JSON.stringify(id)}; there ${known === '' ? 'is none now' : `is: ${known}`}`;
  return new UnbusyError('not_found', 'model_not_found', message, { param: 'model' });
}
