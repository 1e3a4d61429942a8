/**
 * The gateway bench's workloads, as in the experiment that set the floors, and those floors.
 *
 * A model name `m-CHUNKS-INTERVAL_US` tells the mock upstream what to answer.
 */

export interface Workload {
  readonly name: string;
  readonly what: string;
  readonly connections: number;
  readonly measureS: number;
  readonly warmS: number;
  /** Connections are opened evenly over this time, ms. */
  readonly rampMs: number;
  readonly stream: boolean;
  readonly model: string;
  /** What is counted per second of proxy CPU. */
  readonly unit: 'requests' | 'chunks';
  /** Least ratio to nginx in units per CPU second; absent: printed, gates nothing. */
  readonly floor?: number | undefined;
}

/** Floors: 0.75 × what the experiment's `hybridW` reached of nginx on Node 20. */
export const workloads: readonly Workload[] = [
  {
    name: 'W1L',
    what: 'whole answers of 1 KB, 64 connections, after 6 s of warm-up',
    connections: 64,
    measureS: 2,
    warmS: 6,
    rampMs: 0,
    stream: false,
    model: 'm-1-0',
    unit: 'requests',
    floor: 0.15,
  },
  {
    name: 'W2',
    what: 'streams of 100 chunks without delay, 64 connections',
    connections: 64,
    measureS: 1.5,
    warmS: 0.8,
    rampMs: 0,
    stream: true,
    model: 'm-100-0',
    unit: 'chunks',
    floor: 0.525,
  },
  {
    name: 'W2p',
    what: 'the same at 2 ms a chunk: 32,000 chunks/s offered, one chunk per read',
    connections: 64,
    measureS: 1.5,
    warmS: 0.6,
    rampMs: 100,
    stream: true,
    model: 'm-100-2000',
    unit: 'chunks',
    floor: 0.34,
  },
  {
    name: 'W4',
    what: 'whole answers, one connection: latency',
    connections: 1,
    measureS: 0.8,
    warmS: 0.3,
    rampMs: 0,
    stream: false,
    model: 'm-1-0',
    unit: 'requests',
  },
  {
    name: 'W3',
    what: '5,000 streams of 40 chunks at 250 ms: 20,000 chunks/s offered',
    connections: 5000,
    measureS: 9,
    warmS: 6,
    rampMs: 2500,
    stream: true,
    model: 'm-40-250000',
    unit: 'chunks',
    floor: 0.41,
  },
];

/** The share of the reference that must be kept when both are measured in one run. */
export const shareOfReference = 0.75;

/** Most memory per open stream, KiB, measured at W3's 5,000 streams in a process of its own. */
export const kibPerStreamMax = 30;
