/**
 * What an OpenAI-compatible engine can be asked beside generation. Each engine has its own routes
 * and field names for its tokenizer; a plain API has none.
 */
import { assertNever } from '../core/errors.ts';
import type { GenerationRequest } from '../protocol/generation.ts';
import type { Clock, ForwardedResponse, Upstream } from '../protocol/ports.ts';
import { encodeWireRequest } from '../protocol/wire-request.ts';
import type { EndpointFacts } from './endpoint-probe.ts';
import { type Answer, AskFailure, ask } from './http-ask.ts';
import type { HttpClient } from './http1/http-client.ts';
import { badAnswer, errorFromFailure, errorFromStatus } from './openai-error.ts';
import type { AttemptTimeouts } from './openai-exchange.ts';

export interface SideCallOptions {
  readonly name: string;
  readonly client: HttpClient;
  readonly headers: Readonly<Record<string, string>>;
  readonly facts: EndpointFacts;
  readonly timeouts: AttemptTimeouts;
  readonly clock: Clock;
}

type SideCalls = Pick<Upstream, 'tokenize' | 'detokenize' | 'render' | 'forward'>;
type Fields = Readonly<Record<string, unknown>>;

/** A tokenizer answers at once, also while the engine is busy. */
const TOKENIZER_TIMEOUT_MS = 10_000;
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

/** The calls that the found engine offers. Each rejects with an `UnbusyError`. */
export function createSideCalls(options: SideCallOptions): SideCalls {
  const { name, client, headers, facts, timeouts, clock } = options;
  const model = facts.models[0]?.id ?? '';

  async function post(path: string, body: Uint8Array, timeoutMs: number): Promise<Answer> {
    try {
      const bytesMax = ANSWER_BYTES_MAX;
      return await ask(client, { method: 'POST', path, headers, body, timeoutMs, bytesMax });
    } catch (thrown) {
      if (!(thrown instanceof AskFailure)) throw thrown;
      throw errorFromFailure(name, thrown, 'started').error;
    }
  }

  async function postJson(path: string, body: object): Promise<Fields> {
    const bytes = Buffer.from(JSON.stringify(body));
    const answer = await post(facts.rootBase + path, bytes, TOKENIZER_TIMEOUT_MS);
    if (answer.status !== 200) {
      throw errorFromStatus(name, answer.status, answer.headers, answer.body, clock.now()).error;
    }
    const value: unknown = JSON.parse(answer.body.toString());
    if (typeof value === 'object' && value !== null) return value as Fields;
    throw badAnswer(name, `no object to POST ${path}`).error;
  }

  async function forward(path: string, body: Uint8Array): Promise<ForwardedResponse> {
    const bytes = withModel(body, facts);
    const answer = await post(facts.apiBase + path, bytes, timeouts.firstTokenMs);
    if (answer.status >= 500 || answer.status === 429 || answer.status === 401) {
      throw errorFromStatus(name, answer.status, answer.headers, answer.body, clock.now()).error;
    }
    const contentType = answer.headers.get('content-type') ?? 'application/json';
    return { status: answer.status, contentType, body: answer.body };
  }

  switch (facts.engine) {
    case 'vllm':
    case 'sglang': {
      const prefix = facts.engine === 'vllm' ? '' : '/v1';
      return {
        forward,
        async tokenize(text, { addSpecial }) {
          const body = { model, prompt: text, add_special_tokens: addSpecial };
          return tokensOf(name, (await postJson(`${prefix}/tokenize`, body))['tokens']);
        },
        async detokenize(tokens) {
          const answer = await postJson(`${prefix}/detokenize`, { model, tokens });
          return textOf(name, answer['prompt'] ?? answer['text']);
        },
      };
    }
    case 'llama-server':
      return {
        forward,
        async tokenize(text, { addSpecial, parseSpecial }) {
          const body = { content: text, add_special: addSpecial, parse_special: parseSpecial };
          return tokensOf(name, (await postJson('/tokenize', body))['tokens']);
        },
        async detokenize(tokens) {
          return textOf(name, (await postJson('/detokenize', { tokens }))['content']);
        },
        async render(request) {
          return textOf(
            name,
            (await postJson('/apply-template', chatOf(request, model)))['prompt'],
          );
        },
      };
    case 'openai':
      return { forward };
    default:
      return assertNever(facts.engine);
  }
}

/** The messages of a chat request as that engine's own chat route would take them. */
function chatOf(request: GenerationRequest, model: string): object {
  const { body } = encodeWireRequest(request, { engine: 'llama-server', model });
  const fields: unknown = JSON.parse(Buffer.from(body).toString());
  const { messages, tools } = fields as Fields;
  return { messages, tools };
}

/** A body's `model` is the caller's name for it; where only one model is served, its name there. */
function withModel(body: Uint8Array, { models }: EndpointFacts): Uint8Array {
  const [only] = models;
  if (models.length !== 1 || only === undefined) return body;
  const fields: unknown = JSON.parse(Buffer.from(body).toString());
  if (typeof fields !== 'object' || fields === null) return body;
  return Buffer.from(JSON.stringify({ ...fields, model: only.id }));
}

function tokensOf(endpoint: string, value: unknown): readonly number[] {
  if (Array.isArray(value) && value.every((one) => typeof one === 'number')) return value;
  throw badAnswer(endpoint, 'no list of tokens').error;
}

function textOf(endpoint: string, value: unknown): string {
  if (typeof value === 'string') return value;
  throw badAnswer(endpoint, 'no text').error;
}
