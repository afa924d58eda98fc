/** Every order in which two threads can take their steps, each state once. */
import { Violation, type World } from './world.js';

export interface Explored {
  /** Distinct states in which more than one thing could happen next. */
  readonly states: number;
  /** Runs from the beginning: interleavings that were told apart. */
  readonly runs: number;
  /** Whether there is nothing left that was not tried. */
  readonly complete: boolean;
  readonly violation: Violation | undefined;
}

export interface Bounds {
  /** Where the search ends unfinished. */
  readonly maxStates: number;
  /** How often a thread may be taken from its work in a run; infinite for every order there is. */
  readonly maxPreemptions: number;
}

/**
 * Depth first, by running anew from the beginning along a list of choices: the code that runs cannot be copied. A state
 * is known by all that each thread has seen, and by the memory that they share.
 * @param make a world at its beginning, the same one each time
 * @param finish checks what must hold at the end of a run
 */
export function explore(make: () => World, finish: (world: World) => void, bounds: Bounds): Explored {
  const { maxStates, maxPreemptions } = bounds;
  const visited = new Set<number>();
  const left: number[][] = [[]];
  let runs = 0;
  while (left.length > 0 && visited.size < maxStates) {
    const choices = left.pop()!;
    runs++;
    const world = make();
    try {
      run(world, choices, visited, left, maxPreemptions);
      if (world.violation !== undefined) throw world.violation;
      if (world.thread('caller').done) finish(world);
    } catch (error) {
      const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
      const why = error instanceof Violation ? error.message : what;
      const violation = new Violation(`${why}\n  choices ${choices.join('')}\n  ${world.schedule.join('\n  ')}`);
      return { states: visited.size, runs, complete: false, violation };
    }
  }
  return { states: visited.size, runs, complete: left.length === 0, violation: undefined };
}

/** A run is longer than any that comes to its end. */
const MAX_STEPS = 5000;

function run(world: World, choices: number[], visited: Set<number>, left: number[][], maxPreemptions: number): void {
  const given = choices.length;
  let taken = 0;
  for (let steps = 0; ; steps++) {
    if (steps > MAX_STEPS) throw new Violation('it goes on and on');
    if (world.violation !== undefined) return;
    let transitions = world.transitions();
    if (world.preemptions >= maxPreemptions) transitions = transitions.filter(({ preempts }) => !preempts);
    if (transitions.length === 0) {
      if (world.thread('caller').done) return;
      world.rest();
      continue;
    }
    let choice = 0;
    if (transitions.length > 1) {
      if (taken < given) choice = choices[taken]!;
      else {
        const state = world.fingerprint();
        if (visited.has(state)) return;
        visited.add(state);
        for (let other = transitions.length - 1; other > 0; other--) left.push([...choices, other]);
        choices.push(0);
      }
      taken++;
    }
    const transition = transitions[choice]!;
    if (transition.preempts && maxPreemptions !== Number.POSITIVE_INFINITY) world.preemptions++;
    transition.run();
  }
}
