/**
 * The table of error codes. Add a code here when an `UnbusyError` first carries it; never rename or
 * reuse one, because callers' programs and runbooks know it.
 */
import type { ErrorKind } from './errors.ts';

/** What is written down per code; the rest follows from its kind unless given here. */
export interface WrittenEntry {
  readonly kind: ErrorKind;
  readonly title: string;
  readonly whatItMeans: string;
  readonly likelyCauses: readonly string[];
  readonly remedy: string;
  readonly httpStatus?: number;
  readonly retryable?: boolean;
}

const requestEntries = {
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
  idempotency_key_reused: {
    kind: 'invalid_request',
    title: 'The idempotency key belongs to another request',
    whatItMeans: 'The same `idempotency-key` came with a different body.',
    likelyCauses: ['a key that is made per process and not per request'],
    remedy: 'Make a new key for each new request; repeat a key only with the same body.',
    httpStatus: 422,
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

const callerEntries = {
  invalid_api_key: {
    kind: 'unauthenticated',
    title: 'The API key is missing or not known',
    whatItMeans: 'This server asks for keys, and the request brought none that it knows.',
    likelyCauses: ['no `authorization: Bearer` header', 'a key that was removed', 'a cut key'],
    remedy: 'Send the key that the operator gave you. Operators: `unbusy key new ID` makes one.',
  },
  key_expired: {
    kind: 'unauthenticated',
    title: 'The API key has expired',
    whatItMeans: 'The key was valid until the date in its `expires`.',
    likelyCauses: ['the date has passed', 'a clock that is wrong'],
    remedy: 'Ask the operator for a new key; two keys with one id may overlap.',
  },
  forbidden: {
    kind: 'forbidden',
    title: 'The key may not do this',
    whatItMeans: 'The key is valid but lacks the scope that this path needs.',
    likelyCauses: ['a key with `infer` used to read metrics'],
    remedy: 'Use another key, or add the scope to its entry under `keys:`.',
  },
  rate_limited: {
    kind: 'rate_limited',
    title: "The caller's own limit is reached",
    whatItMeans:
      "The tenant's `rate` allows no more now, and the request's deadline leaves no time to wait.",
    likelyCauses: ['a burst', 'a loop that retries without waiting'],
    remedy: 'Wait for `retry-after`. Operators: raise `rate` of the tenant.',
  },
  overloaded: {
    kind: 'overloaded',
    title: 'The wait would be longer than the deadline',
    whatItMeans:
      'Refused on arrival: the predicted wait breaks the deadline, so waiting would be in vain.',
    likelyCauses: ['more demand than the engines can serve', 'an endpoint that is down'],
    remedy:
      'Come back after `retry-after`, or give more time with `x-unbusy-deadline-ms`. Operators: ' +
      'add endpoints; the body tells the true wait.',
  },
  queue_full: {
    kind: 'overloaded',
    title: 'The queue is full',
    whatItMeans: 'Refused on arrival: `queue.max_depth` requests are already waiting.',
    likelyCauses: ['a flood', 'every endpoint is down while callers go on'],
    remedy: 'Come back after `retry-after`. Operators: look at endpoints before raising the depth.',
  },
  deadline_exceeded: {
    kind: 'expired',
    title: 'The deadline passed in the queue',
    whatItMeans: 'No engine became free before the first token was due. Nothing was started.',
    likelyCauses: ['an engine went down while requests waited', 'answers longer than predicted'],
    remedy:
      'Ask again, with a longer `x-unbusy-deadline-ms` if the answer may come later. Delaying ' +
      'batches (`max_queue_delay_ms`) makes it worse: it adds its delay to every request.',
  },
  cancelled: {
    kind: 'cancelled',
    title: 'The caller left',
    whatItMeans: 'The connection was closed before the answer was complete; the engine stopped.',
    likelyCauses: ['the user pressed stop', 'a time-out in the client or in a proxy in between'],
    remedy: 'None if it was wanted. Else raise the time-out of the client: R1 thinks for minutes.',
  },
  draining: {
    kind: 'draining',
    title: 'The server is stopping',
    whatItMeans: 'It finishes the answers that it has begun and takes no new requests.',
    likelyCauses: ['an upgrade or a restart'],
    remedy: 'Ask again: a balancer sends the retry to another instance.',
  },
} satisfies Record<string, WrittenEntry>;

const upstreamEntries = {
  upstream_unavailable: {
    kind: 'upstream_unavailable',
    title: 'No endpoint can answer now',
    whatItMeans: 'Every endpoint of the model is down or still loading (an instance that crashed).',
    likelyCauses: ['an engine crashed', 'weights still load: minutes for R1', 'a wrong address'],
    remedy:
      "Read the engine's log and the endpoint's reason in ours; `/readyz` says when it is up.",
  },
  upstream_busy: {
    kind: 'overloaded',
    title: 'The engine refused for being full',
    whatItMeans: 'The endpoint answered 429 or 503 before any work, and no other had room in time.',
    likelyCauses: ['a quota of a public API', 'more sent there than its own limit'],
    remedy:
      'Ask again after `retry-after`. Operators: lower its `concurrency.max`; raise the quota.',
  },
  upstream_failed: {
    kind: 'upstream_failed',
    title: 'The engine answered with an error',
    whatItMeans:
      'The endpoint failed, or its answer could not be understood; retries did not help.',
    likelyCauses: ['a fault in the engine', 'a wrong `upstream_model`', 'a key that it rejects'],
    remedy: "Look at the attempts in the body, then at that engine's log.",
  },
  upstream_cut: {
    kind: 'upstream_failed',
    title: 'The engine broke off',
    whatItMeans: 'The connection ended before the answer was complete.',
    likelyCauses: ['the engine crashed or was restarted', 'a proxy in between cut the connection'],
    remedy: "Ask again. Operators: read the engine's log at that time.",
  },
  upstream_timeout_connect: {
    kind: 'upstream_unavailable',
    title: 'The engine did not accept a connection in time',
    whatItMeans: '`timeouts.connect_ms` passed; nothing had been sent.',
    likelyCauses: ['a wrong address', 'a firewall', 'a host that is down'],
    remedy: 'Check the address with curl from this machine. A busy engine still accepts at once.',
    httpStatus: 504,
  },
  upstream_timeout_first_token: {
    kind: 'upstream_failed',
    title: 'No first token in time',
    whatItMeans: '`timeouts.first_token_ms` passed between dispatch and the first token.',
    likelyCauses: [
      'more in flight than the engine can read',
      'a very long prompt',
      'a stalled GPU',
    ],
    remedy:
      'Lower `concurrency.max` so that requests wait in our queue and not in the engine; raise the ' +
      'time-out only for long prompts. Delaying batches is no remedy: it delays every request.',
    httpStatus: 504,
  },
  upstream_timeout_idle: {
    kind: 'upstream_failed',
    title: 'The engine fell silent',
    whatItMeans: '`timeouts.idle_ms` passed without a further token.',
    likelyCauses: ['a stalled GPU or network', 'a proxy that buffers the stream'],
    remedy: 'Look for Xid and NCCL time-outs in the engine log; switch off proxy buffering.',
    httpStatus: 504,
  },
  upstream_timeout_total: {
    kind: 'upstream_failed',
    title: 'The answer took too long',
    whatItMeans: '`timeouts.total_ms` passed before the answer was complete.',
    likelyCauses: ['a very long thought', 'an engine that shares its GPU among too many requests'],
    remedy:
      'Limit the thought (`reasoning: { max_tokens }`) or the answer (`max_tokens`), or raise the ' +
      'time-out. Delaying batches is no remedy: it delays every request.',
    httpStatus: 504,
  },
  engine_crashed: {
    kind: 'upstream_unavailable',
    title: 'The embedded engine stopped',
    whatItMeans: 'Its process ended; it is started again, and requests not yet begun are kept.',
    likelyCauses: ['out of memory (the kernel ends the process)', 'a fault in native code'],
    remedy: 'Ask again. Operators: read the reason in the log; use fewer slots or less context.',
  },
  engine_out_of_memory: {
    kind: 'internal',
    title: 'The model does not fit into memory',
    whatItMeans: 'The engine could not allocate weights or KV cache.',
    likelyCauses: ['a model larger than the memory', 'many slots with a long context'],
    remedy:
      'Lower `context_tokens` or `dynamic_batching.max_batch_size`, or choose a smaller file.',
    retryable: false,
  },
  internal: {
    kind: 'internal',
    title: 'A fault of ours',
    whatItMeans: 'Something happened that should not; the log has it under the request id.',
    likelyCauses: ['a bug in Unbusy'],
    remedy: 'Report it with the request id and the log line.',
  },
} satisfies Record<string, WrittenEntry>;

const startEntries = {
  invalid_config: {
    kind: 'invalid_request',
    title: 'The config is not valid',
    whatItMeans: 'unbusy.yaml or a flag says something that cannot be meant. Nothing was started.',
    likelyCauses: ['a typing mistake', 'an environment variable that is not set'],
    remedy:
      'Each line names file, line, column, what was found and what is allowed; ' +
      '`unbusy config check` repeats them, `unbusy config schema` serves editors.',
  },
  port_in_use: {
    kind: 'internal',
    title: 'The port is taken',
    whatItMeans: 'Another program listens on the address.',
    likelyCauses: ['another Unbusy', 'an engine on the same port'],
    remedy: 'Stop the other, or start with `--port`. An engine can be fronted with `--upstream`.',
  },
  model_unreadable: {
    kind: 'invalid_request',
    title: 'The model file cannot be used',
    whatItMeans: 'The file is missing, cannot be read, or is no GGUF file of a known architecture.',
    likelyCauses: ['a wrong path', 'a download that was cut', 'a Git LFS pointer in its place'],
    remedy: 'Check path and size; a GGUF file begins with the letters GGUF.',
  },
  engine_binding_missing: {
    kind: 'internal',
    title: 'The engine was not installed',
    whatItMeans: 'The native package of this platform is not in node_modules.',
    likelyCauses: ['an install without optional dependencies', 'a platform without a binary'],
    remedy: 'Install again without `--omit=optional`, or front an engine with `--upstream`.',
    retryable: false,
  },
  engine_binding_unusable: {
    kind: 'internal',
    title: 'The engine cannot be loaded',
    whatItMeans: 'The native package is there, but this machine cannot run it.',
    likelyCauses: ['an older C library', 'another version than the one this build was made for'],
    remedy: 'Install again with the lock file, or front an engine with `--upstream`.',
    retryable: false,
  },
} satisfies Record<string, WrittenEntry>;

/** Every code, grouped as the reference page shows them. */
export const errorEntryGroups = {
  'The request': requestEntries,
  'The caller and the queue': callerEntries,
  Engines: upstreamEntries,
  Starting: startEntries,
} satisfies Record<string, Record<string, WrittenEntry>>;
