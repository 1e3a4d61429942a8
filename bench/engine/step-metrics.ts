/** Where an engine's time went, from the difference of two readings of Unbusy's `/metrics`. */

/** Seconds added up over engines; NaN where the page does not tell. */
export interface StepTimes {
  readonly steps: number;
  readonly batchSizeMean: number;
  readonly decodeS: number;
  readonly prefillS: number;
  readonly sampleS: number;
}

type Samples = ReadonlyMap<string, number>;

export async function readMetrics(port: number): Promise<Samples> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  return response.ok ? parseMetrics(await response.text()) : new Map();
}

/** Prometheus text → value by name and labels; sums over endpoints, so that engines add up. */
export function parseMetrics(text: string): Samples {
  const samples = new Map<string, number>();
  for (const line of text.split('\n')) {
    const found = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line);
    if (found === null) continue;
    const [, name = '', labels = '', value = ''] = found;
    const kept = labels.split(',').filter((label) => label !== '' && !/^endpoint=/.test(label));
    const key = kept.length === 0 ? name : `${name}{${kept.sort().join(',')}}`;
    samples.set(key, (samples.get(key) ?? 0) + Number(value));
  }
  return samples;
}

/** Undefined when the server exports no step times. */
export function stepTimes(before: Samples, after: Samples): StepTimes | undefined {
  const grown = (key: string): number => {
    const now = after.get(key);
    return now === undefined ? Number.NaN : now - (before.get(key) ?? 0);
  };
  const phase = (name: string): number =>
    grown(`unbusy_engine_step_seconds_total{phase="${name}"}`);
  const steps = grown('unbusy_batch_size_count');
  if (!(steps > 0)) return undefined;
  return {
    steps,
    batchSizeMean: grown('unbusy_batch_size_sum') / steps,
    decodeS: phase('decode'),
    prefillS: phase('prefill'),
    sampleS: phase('sample'),
  };
}
