/** Codes that say what is wrong with a request. */
import type { WrittenEntry } from '../error-entry.ts';

export const requestErrors = {
  invalid_request: {
    kind: 'invalid_request',
    title: 'The request is not valid',
    whatItMeans: 'A field is missing, has the wrong type or is out of range. Nothing was started.',
    likelyCauses: ['a typing mistake in a field', 'a value that another API allows'],
    remedy: 'Read the message: it names the field, what was found and what is allowed.',
  },
  invalid_json: {
    kind: 'invalid_request',
    title: 'The body is not JSON',
    whatItMeans: 'The request body could not be read as UTF-8 JSON.',
    likelyCauses: ['shell quoting in a curl command', 'a body cut short by a proxy'],
    remedy: 'Send `content-type: application/json` and one JSON object; try it with `jq .` first.',
  },
  unsupported_parameter: {
    kind: 'invalid_request',
    title: 'The model cannot do what a parameter asks for',
    whatItMeans: 'The field is valid, but this model or engine has no way to honour it.',
    likelyCauses: [
      '`tools` on a model whose chat template has none',
      'images or audio sent to a text model',
    ],
    remedy: 'Leave the field out, or ask a model that supports it (`GET /v1/models`).',
  },
  unsupported_content: {
    kind: 'invalid_request',
    title: 'The model does not take this kind of content',
    whatItMeans: 'A message holds a part, such as an image or audio, that this model cannot read.',
    likelyCauses: ['a text model asked about a picture'],
    remedy: 'Send text only, or ask a model that takes such content.',
  },
  template_refused: {
    kind: 'invalid_request',
    title: "The model's chat template refused the messages",
    whatItMeans: 'The template that turns messages into a prompt raised an error of its own.',
    likelyCauses: ['roles in an order that the template forbids', 'a system message in the middle'],
    remedy: 'Order the messages as the reason in the message asks for.',
  },
  model_without_template: {
    kind: 'invalid_request',
    title: 'The model has no chat template',
    whatItMeans: 'A chat cannot be turned into a prompt: the model file says nothing about how.',
    likelyCauses: ['a base model that was not trained to chat'],
    remedy: 'Use `/v1/completions`, or take an instruct or chat version of the model.',
  },
  empty_prompt: {
    kind: 'invalid_request',
    title: 'The prompt is empty',
    whatItMeans: 'This model needs at least one token to begin with.',
    likelyCauses: ['an empty string as `prompt`'],
    remedy: 'Send a prompt.',
  },
  invalid_schema: {
    kind: 'invalid_request',
    title: 'The JSON Schema is not valid',
    whatItMeans: 'A keyword has a wrong value, or nothing can satisfy the schema.',
    likelyCauses: ['a typing mistake', 'a type that always contains another one of itself'],
    remedy: 'Correct the schema at the path in the message.',
  },
  unsupported_schema: {
    kind: 'invalid_request',
    title: 'The JSON Schema uses a keyword that cannot be enforced',
    whatItMeans: 'The answer is held to the schema by a grammar, which cannot express a keyword.',
    likelyCauses: ['`$ref` to another document', 'look-around in a `pattern`'],
    remedy: 'Remove or rewrite the keyword at the path in the message.',
  },
  unsupported_encoding: {
    kind: 'invalid_request',
    title: 'The body is compressed in a way that is not taken',
    whatItMeans: 'The `content-encoding` or `transfer-encoding` of the request is not supported.',
    likelyCauses: ['a client or proxy that compresses request bodies'],
    remedy: 'Send the body uncompressed.',
    httpStatus: 415,
  },
  context_length_exceeded: {
    kind: 'invalid_request',
    title: 'The prompt does not fit the context',
    whatItMeans:
      'Prompt and requested answer are longer than the model takes. Nothing was cut off silently.',
    likelyCauses: ['a long conversation', 'a large `max_tokens` on top of a long prompt'],
    remedy: 'Shorten the prompt or lower `max_tokens`; the message says how many tokens fit.',
  },
  invalid_token: {
    kind: 'invalid_request',
    title: 'A token id is not in the vocabulary',
    whatItMeans: "A token of the prompt or of `logit_bias` is not one of the model's.",
    likelyCauses: ['tokens made by the tokenizer of another model'],
    remedy: 'Send text, or make the tokens with `POST /tokenize` of this server.',
  },
  too_large: {
    kind: 'too_large',
    title: 'The request is too large',
    whatItMeans: 'The body or its headers are over the limit that the operator set.',
    likelyCauses: ['files pasted into a prompt', 'many prompts in one request'],
    remedy: 'Send less, or raise `server.body_bytes_max`.',
  },
  body_too_large: {
    kind: 'too_large',
    title: 'The body is too large',
    whatItMeans: 'The request body is over `server.body_bytes_max`.',
    likelyCauses: ['files pasted into a prompt', 'many prompts in one request'],
    remedy: 'Send less, or raise `server.body_bytes_max`.',
  },
  model_not_found: {
    kind: 'not_found',
    title: 'No such model here',
    whatItMeans: 'No endpoint serves a model of this name; `GET /v1/models` lists what can answer.',
    likelyCauses: [
      'a typing mistake',
      '`deepseek-r1` asked of a server that was started without a config: it serves only the ' +
        'demonstration model `pocket-r1`, which never answers in the name of another',
    ],
    remedy:
      'Use a listed name. To serve R1, start with `--upstream http://YOUR-ENGINE:8000/v1`, or map ' +
      'it in unbusy.yaml: `models: { deepseek-r1: { pool: [NAME-OF-AN-ENDPOINT] } }`.',
  },
  route_not_found: {
    kind: 'not_found',
    title: 'No such path',
    whatItMeans: 'The server does not know this URL.',
    likelyCauses: ['`/v1` missing from or doubled in the base URL'],
    remedy: 'Set the base URL of an OpenAI client to `http://HOST:6710/v1`.',
  },
  method_not_allowed: {
    kind: 'invalid_request',
    title: 'The path does not take this method',
    whatItMeans: 'The URL is right, the HTTP method is not; `allow` lists those that are.',
    likelyCauses: ['a browser opening an API path', 'GET in place of POST'],
    remedy: 'Use the method that the `allow` header names.',
    httpStatus: 405,
  },
  not_implemented: {
    kind: 'not_found',
    title: 'Not offered by this model or version',
    whatItMeans: 'The path is known, but nothing here can answer it.',
    likelyCauses: ['embeddings asked of a model that makes none'],
    remedy: 'Add an endpoint whose engine offers it, and ask for that model by name.',
    httpStatus: 501,
  },
} satisfies Record<string, WrittenEntry>;
