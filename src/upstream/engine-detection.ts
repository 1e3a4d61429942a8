/**
 * Which engine answers, told from what its own routes say and never from a version number: pure
 * judgement over answers that `endpoint-probe.ts` collects.
 */
import { record } from '../protocol/json-record.ts';
import type { UpstreamModel } from '../protocol/ports.ts';
import type { WireEngine } from '../protocol/wire-request.ts';

/** Parsed JSON of each route, undefined where it gave none. */
export interface EngineAnswers {
  readonly models: unknown;
  /** vLLM: `{"version"}`. */
  readonly version: unknown;
  /** SGLang: `/get_model_info`, `/model_info` or `/server_info`. */
  readonly modelInfo: unknown;
  /** llama-server: `/props`. */
  readonly props: unknown;
  /** The engine whose names are on the metrics page. */
  readonly metricsOf: WireEngine | undefined;
}

type Fields = Readonly<Record<string, unknown>>;

/** Public providers list hundreds; more than this is not a list of models. */
const MODELS_MAX = 2000;

export function detectEngine(answers: EngineAnswers): WireEngine {
  const props = record(answers.props);
  if (count(props?.['total_slots']) !== undefined || props?.['default_generation_settings']) {
    return 'llama-server';
  }
  const owners = modelList(answers.models).map((model) => model['owned_by']);
  if (owners.includes('llamacpp')) return 'llama-server';
  const info = record(answers.modelInfo);
  const sglang = typeof info?.['model_path'] === 'string' || owners.includes('sglang');
  if (sglang || answers.metricsOf === 'sglang') return 'sglang';
  const version = typeof record(answers.version)?.['version'] === 'string';
  if (answers.metricsOf === 'vllm' || (version && owners.includes('vllm'))) return 'vllm';
  return answers.metricsOf ?? 'openai';
}

/** The models that a `/v1/models` answer lists, with what each engine says about them. */
export function readModels(models: unknown, props: unknown): readonly UpstreamModel[] {
  const settings = record(record(props)?.['default_generation_settings']);
  const slotContext = count(settings?.['n_ctx']);
  return modelList(models)
    .slice(0, MODELS_MAX)
    .flatMap((model) => {
      const id = model['id'];
      if (typeof id !== 'string' || id === '') return [];
      const meta = record(model['meta']);
      const owner = model['owned_by'];
      return [
        {
          id,
          contextTokens:
            count(model['max_model_len']) ??
            slotContext ??
            count(meta?.['n_ctx_train']) ??
            count(model['context_length']),
          parameters: count(meta?.['n_params']),
          ownedBy: typeof owner === 'string' ? owner : undefined,
        },
      ];
    });
}

/** `/v1/models` in OpenAI's form. */
export function isModelList(models: unknown): boolean {
  return Array.isArray(record(models)?.['data']);
}

/** Requests that llama-server decodes at once; more wait in a queue of its own. */
export function readSlots(props: unknown): number | undefined {
  const slots = count(record(props)?.['total_slots']);
  return slots === undefined || slots === 0 ? undefined : slots;
}

function modelList(models: unknown): readonly Fields[] {
  const data = record(models)?.['data'];
  if (!Array.isArray(data)) return [];
  return data.flatMap((one: unknown) => {
    const model = record(one);
    return model === undefined ? [] : [model];
  });
}

function count(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined;
}
