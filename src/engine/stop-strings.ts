/**
 * Stop strings in streamed text.
 *
 * One Knuth–Morris–Pratt automaton per stop string reads the text character by character, so a
 * match is found over any borders, and the longest unfinished match says how much of the tail may
 * not be given out yet. The first stop string to be complete wins (of two that end together, the
 * longer): generation ends there, as it would if the text were looked at after every character.
 */

export interface StopMatcher {
  /** Text that can no longer be part of a stop string. After a match: what stood before it. */
  push(text: string): string;
  /** The end of the text: gives out what was held back. */
  flush(): string;
  /** The stop string that was found; from then on nothing is given out. */
  readonly stopped: string | undefined;
}

/** Empty stop strings match nothing. Cost per character: one table step per stop string. */
export function createStopMatcher(stops: readonly string[]): StopMatcher {
  const automata = stops
    .filter((stop) => stop !== '' && stop.isWellFormed())
    .map((stop) => ({ stop, fallback: fallbackTable(stop), matched: 0 }));
  let held = '';
  let stopped: string | undefined;

  /** Advances every automaton over one UTF-16 unit; the longest stop string that ends here. */
  const read = (unit: string): string | undefined => {
    let found: string | undefined;
    for (const automaton of automata) {
      const { stop, fallback } = automaton;
      let matched = automaton.matched;
      while (matched > 0 && stop[matched] !== unit) matched = fallback[matched - 1] ?? 0;
      if (stop[matched] === unit) matched++;
      automaton.matched = matched;
      if (matched === stop.length && stop.length > (found?.length ?? 0)) found = stop;
    }
    return found;
  };

  return {
    push(text) {
      if (stopped !== undefined || text === '') return '';
      if (automata.length === 0) return text;
      const from = held.length;
      held += text;
      for (let at = from; at < held.length; at++) {
        stopped = read(held.charAt(at));
        if (stopped !== undefined) return held.slice(0, at + 1 - stopped.length);
      }
      const undecided = automata.reduce((most, { matched }) => Math.max(most, matched), 0);
      const free = held.slice(0, held.length - undecided);
      held = held.slice(free.length);
      return free;
    },
    flush() {
      const rest = stopped === undefined ? held : '';
      held = '';
      return rest;
    },
    get stopped() {
      return stopped;
    },
  };
}

/** For each prefix length − 1: the length of its longest proper prefix that is also its suffix. */
function fallbackTable(stop: string): readonly number[] {
  const table = [0];
  let length = 0;
  for (let at = 1; at < stop.length; at++) {
    while (length > 0 && stop[at] !== stop[length]) length = table[length - 1] ?? 0;
    if (stop[at] === stop[length]) length++;
    table.push(length);
  }
  return table;
}
