/**
 * Checks answers against OpenAI's published schemas, closed: a field that is neither OpenAI's nor a
 * documented extension of ours is a fault.
 */
import { readFileSync } from 'node:fs';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';

type Schema = Record<string, unknown>;

/** What we answer beyond OpenAI, by schema. DeepSeek's `reasoning_content` is the first of them. */
const extensions: Readonly<Record<string, Schema>> = {
  ChatCompletionResponseMessage: { reasoning_content: { type: 'string' } },
  ChatCompletionStreamResponseDelta: { reasoning_content: { type: 'string' } },
  Model: {
    description: { type: 'string' },
    context_length: { type: 'integer', minimum: 1 },
    parameters: { type: 'integer', minimum: 1 },
  },
  Error: {
    retry_after_ms: { type: 'integer', minimum: 0 },
    attempts: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          endpoint: { type: 'string' },
          result: { type: 'string' },
          duration_ms: { type: 'integer' },
        },
        required: ['endpoint', 'result', 'duration_ms'],
      },
    },
    facts: { type: 'object' },
    hint: { type: 'string' },
  },
};

export type WireKind =
  | 'CreateChatCompletionResponse'
  | 'CreateChatCompletionStreamResponse'
  | 'CreateCompletionResponse'
  | 'CompletionChunk'
  | 'ListModelsResponse'
  | 'Model'
  | 'ErrorResponse';

/** Timestamps and links, in fields that we never send or whose type says enough. */
const ignoredFormats = { unixtime: true, date: true, uri: true } as const;

const validators = compile();

/** Throws an error that names every fault. */
export function validateWire(kind: WireKind, value: unknown): void {
  const validate = validators(kind);
  if (validate(value)) return;
  const faults = validate.errors?.map(({ instancePath, message, params }) => {
    return `${instancePath} ${message} ${JSON.stringify(params)}`;
  });
  throw new Error(`not a ${kind}: ${faults?.join('; ')}\n${JSON.stringify(value)}`);
}

/** Checks a whole SSE body and returns its chunks, without `[DONE]`. */
export function validateStream(kind: WireKind, body: string): readonly unknown[] {
  const events = body.split('\n\n');
  const rest = events.pop();
  if (rest !== '') throw new Error(`the stream ends within an event: ${rest}`);
  const chunks: unknown[] = [];
  for (const event of events) {
    if (event.startsWith(':') || event === 'data: [DONE]') continue;
    if (!event.startsWith('data: ')) throw new Error(`not an event: ${event}`);
    const chunk: unknown = JSON.parse(event.slice('data: '.length));
    const failed = typeof chunk === 'object' && chunk !== null && 'error' in chunk;
    validateWire(failed ? 'ErrorResponse' : kind, chunk);
    chunks.push(chunk);
  }
  return chunks;
}

function compile(): (kind: WireKind) => ValidateFunction {
  const file = new URL('openai-schema/openai-wire.schema.json', import.meta.url);
  const published = JSON.parse(readFileSync(file, 'utf8')) as Schema & { $defs: Schema };
  const defs = published.$defs as Record<string, Schema>;
  for (const [name, properties] of Object.entries(extensions)) {
    Object.assign(defs[name]?.['properties'] as Schema, properties);
  }
  asOpenAiAnswers(defs);
  const schema = closed(published) as Schema;
  const ajv = new Ajv2020({ allErrors: true, strict: false, formats: ignoredFormats });
  ajv.addSchema(schema);
  return (kind) => {
    const validate = ajv.getSchema(`openai-wire#/$defs/${kind}`);
    if (validate === undefined) throw new Error(`there is no schema ${kind}`);
    return validate;
  };
}

/**
 * Where OpenAI's own answers are wider than its schema of legacy completions: a chunk is told by the
 * schema of whole answers, but has no finish reason yet and may say `usage: null`; and with `echo`
 * the first token has no probability.
 */
function asOpenAiAnswers(defs: Record<string, Schema>): void {
  const nullable = (schema: unknown) => ({ anyOf: [schema, { type: 'null' }] });
  const whole = defs['CreateCompletionResponse'] as CompletionSchema;
  const { logprobs } = whole.properties.choices.items.properties;
  const [arrays] = logprobs.anyOf;
  for (const name of ['token_logprobs', 'top_logprobs'] as const) {
    arrays.properties[name].items = nullable(arrays.properties[name].items);
  }
  const chunk = structuredClone(whole);
  const fields = chunk.properties.choices.items.properties;
  fields.finish_reason = nullable(fields.finish_reason);
  chunk.properties.usage = nullable(chunk.properties.usage);
  defs['CompletionChunk'] = chunk;
}

interface CompletionSchema extends Schema {
  properties: {
    usage: unknown;
    choices: {
      items: {
        properties: {
          finish_reason: unknown;
          logprobs: {
            anyOf: [
              { properties: Record<'token_logprobs' | 'top_logprobs', { items: unknown }> },
              unknown,
            ];
          };
        };
      };
    };
  };
}

/** OpenAPI's `nullable` in JSON Schema's words, and no property beyond those that are listed. */
function closed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(closed);
  if (typeof value !== 'object' || value === null) return value;
  const { nullable, ...schema } = Object.fromEntries(
    Object.entries(value).map(([key, part]) => [key, closed(part)]),
  );
  if (schema['properties'] !== undefined) schema['additionalProperties'] ??= false;
  return nullable === true ? { anyOf: [schema, { type: 'null' }] } : schema;
}
