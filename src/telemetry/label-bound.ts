/**
 * Keeps the number of time series finite: labels that callers can choose get a fixed number of
 * values, and everything beyond is counted as `other`.
 */

export interface LabelBound {
  /**
   * The value to put on the label. Only `trusted` values may take one of the places, so that made-up
   * names cannot crowd out the real ones.
   */
  label(value: string, trusted: boolean): string;
}

/** Admits at most `max` values, first come, first kept. */
export function createLabelBound(max: number): LabelBound {
  const known = new Set<string>();
  return {
    label(value, trusted) {
      if (known.has(value)) return value;
      if (!trusted || known.size >= max) return 'other';
      known.add(value);
      return value;
    },
  };
}
