/** Codes about the engines behind us, and about ourselves while we serve. */
import type { WrittenEntry } from '../error-entry.ts';

export const engineErrors = {
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
  engine_lost: {
    kind: 'upstream_unavailable',
    title: 'The embedded engine was lost',
    whatItMeans: 'Its process ended while it worked on the request; it is started again.',
    likelyCauses: ['out of memory (the kernel ends the process)', 'a fault in native code'],
    remedy: 'Ask again. Operators: read the reason in the log; use fewer slots or less context.',
  },
  engine_not_ready: {
    kind: 'upstream_unavailable',
    title: 'The embedded engine is not ready',
    whatItMeans: 'It still loads its model, or is being started again.',
    likelyCauses: ['the server has just started', 'the engine crashed a moment ago'],
    remedy: 'Ask again in a few seconds; `/readyz` says when it is up.',
  },
  engine_queue_full: {
    kind: 'overloaded',
    title: 'The embedded engine is full',
    whatItMeans: 'More requests wait inside the engine than it has slots; it took no further one.',
    likelyCauses: ['many choices (`n`) or prompts in one request'],
    remedy: 'Ask again, or ask for fewer choices at once.',
  },
  engine_step_failed: {
    kind: 'upstream_failed',
    title: 'The engine failed in a step',
    whatItMeans: 'llama.cpp could not compute the next tokens; the requests of that step ended.',
    likelyCauses: ['out of memory', 'a fault in native code'],
    remedy: 'Ask again. Operators: read the log; use fewer slots or less context.',
  },
  engine_closed: {
    kind: 'cancelled',
    title: 'The engine was closed',
    whatItMeans: 'The server stopped before the engine had answered.',
    likelyCauses: ['an upgrade or a restart'],
    remedy: 'Ask again: a balancer sends the retry to another instance.',
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
