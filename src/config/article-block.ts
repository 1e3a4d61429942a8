/**
 * Batching blocks as published articles and Triton write them, taken in and mapped.
 *
 * `inference: { batch_size, max_sequence_length, precision }` and Triton's
 * `max_queue_delay_microseconds` mean things that we have under other names. What has no meaning
 * here is refused by name with the reason, so that nobody believes it to be in force (C2).
 */
import { isBlock, type Path, type Plain, type Problem, valueText } from './problem.ts';

export interface Mapping {
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
}

/** Rewrites the blocks inside `root.endpoints` in place. */
export function mapArticleBlocks(root: Plain): Mapping {
  const problems: Problem[] = [];
  const warnings: Problem[] = [];
  if (!isBlock(root['endpoints'])) return { problems, warnings };
  for (const [name, endpoint] of Object.entries(root['endpoints'])) {
    if (!isBlock(endpoint)) continue;
    const path = ['endpoints', name];
    if (endpoint['kind'] !== 'embedded') {
      problems.push(...refuseOnHttp(endpoint, path));
      continue;
    }
    problems.push(...mapInference(endpoint, path));
    problems.push(...mapTritonDelay(endpoint, path));
    warnings.push(...warnUnevenSizes(endpoint, path));
  }
  return { problems, warnings };
}

/** An engine behind HTTP batches by its own settings, which cannot be changed from here. */
function refuseOnHttp(endpoint: Plain, path: Path): Problem[] {
  return ['inference', 'dynamic_batching']
    .filter((block) => Object.hasOwn(endpoint, block))
    .map((block) => {
      delete endpoint[block];
      return {
        path: [...path, block],
        atKey: true,
        message:
          'only an embedded engine takes this; set it where that engine is started ' +
          '(vLLM: --max-num-seqs, --max-model-len; SGLang: --max-running-requests, ' +
          '--context-length) and limit what is sent there with concurrency.max',
      };
    });
}

function mapInference(endpoint: Plain, path: Path): Problem[] {
  if (!Object.hasOwn(endpoint, 'inference')) return [];
  const block = endpoint['inference'];
  delete endpoint['inference'];
  const at = [...path, 'inference'];
  if (!isBlock(block)) {
    return [{ path: at, message: `found ${valueText(block)}; allowed: a block of keys` }];
  }
  const problems: Problem[] = [];
  for (const [key, value] of Object.entries(block)) {
    const problem = mapInferenceKey(endpoint, key, value);
    if (problem !== undefined) problems.push({ path: [...at, key], message: problem, atKey: true });
  }
  return problems;
}

/** Why one key of `inference:` cannot be taken; undefined when it has been mapped. */
function mapInferenceKey(endpoint: Plain, key: string, value: unknown): string | undefined {
  switch (key) {
    case 'batch_size':
      return moveInto(blockOf(endpoint, 'dynamic_batching'), 'max_batch_size', value);
    case 'max_sequence_length':
      return moveInto(endpoint, 'context_tokens', value);
    case 'precision':
      return value === 'auto'
        ? undefined
        : `found ${valueText(value)}; the precision is the model file's and cannot be chosen when ` +
            'it is loaded; allowed: auto, or give a GGUF file of that precision as model';
    default:
      return 'unknown key; allowed: batch_size, max_sequence_length, precision';
  }
}

function mapTritonDelay(endpoint: Plain, path: Path): Problem[] {
  const batching = endpoint['dynamic_batching'];
  const name = 'max_queue_delay_microseconds';
  if (!isBlock(batching) || !Object.hasOwn(batching, name)) return [];
  const value = batching[name];
  delete batching[name];
  const message =
    typeof value === 'number'
      ? moveInto(batching, 'max_queue_delay_ms', value / 1000)
      : `found ${valueText(value)}; allowed: a number of microseconds`;
  if (message === undefined) return [];
  return [{ path: [...path, 'dynamic_batching', name], message, atKey: true }];
}

function moveInto(block: Plain | undefined, key: string, value: unknown): string | undefined {
  if (block === undefined) return 'dynamic_batching is not a block of keys';
  if (Object.hasOwn(block, key)) return `${key} says the same; keep one of them`;
  block[key] = value;
  return undefined;
}

function blockOf(parent: Plain, key: string): Plain | undefined {
  if (!Object.hasOwn(parent, key)) parent[key] = {};
  const block = parent[key];
  return isBlock(block) ? block : undefined;
}

/** Kernels work on tiles of powers of two: the slots between two of them cost as much as the next. */
function warnUnevenSizes(endpoint: Plain, path: Path): Problem[] {
  const batching = endpoint['dynamic_batching'];
  if (!isBlock(batching)) return [];
  const preferred = batching['preferred_batch_size'];
  const sizes: readonly { path: Path; size: unknown }[] = [
    { path: ['max_batch_size'], size: batching['max_batch_size'] },
    ...(Array.isArray(preferred)
      ? preferred.map((size: unknown, i) => ({ path: ['preferred_batch_size', i], size }))
      : []),
  ];
  return sizes
    .filter(({ size }) => typeof size === 'number' && size > 1 && !isPowerOfTwo(size))
    .map(({ path: at, size }) => ({
      path: [...path, 'dynamic_batching', ...at],
      message: `${size} is no power of two; sizes such as 8, 16 or 32 use the hardware better`,
    }));
}

function isPowerOfTwo(size: number): boolean {
  return Number.isInteger(Math.log2(size));
}
