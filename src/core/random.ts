/**
 * Randomness as a value that is passed in, so that a run can be repeated from its seed.
 *
 * The seeded generator is sfc32 (Chris Doty-Humphrey, PractRand: "small fast chaotic", 128 bits of
 * state, passes its own suite and BigCrush); splitmix32 spreads the seed over the state.
 */

export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
}

/** A repeatable generator. Any number is a seed; only its low 32 bits count. */
export function createRandom(seed: number): Random {
  let mixed = seed | 0;
  function splitmix32(): number {
    mixed = (mixed + 0x9e3779b9) | 0;
    let z = mixed;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) | 0;
  }
  let a = splitmix32();
  let b = splitmix32();
  let c = splitmix32();
  let counter = 1;

  function next32(): number {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    c |= 0;
    return sum >>> 0;
  }
  // As the reference implementation does, so that nearby seeds have parted before the first use.
  for (let i = 0; i < 12; i += 1) next32();
  return { next: () => toUnit(next32(), next32()) };
}

/** Words fetched from the system at once: one call per number would cost a microsecond each. */
const poolWords = 512;

/** Unguessable randomness from the system, for ids and jitter outside of tests. */
export function systemRandom(): Random {
  const pool = new Uint32Array(poolWords);
  let used = poolWords;
  return {
    next() {
      if (used === poolWords) {
        crypto.getRandomValues(pool);
        used = 0;
      }
      used += 2;
      return toUnit(pool[used - 2] as number, pool[used - 1] as number);
    },
  };
}

/** 53 bits, all that a double in [0, 1) can hold. */
function toUnit(high: number, low: number): number {
  return ((high >>> 5) * 0x4000000 + (low >>> 6)) / 0x20000000000000;
}
