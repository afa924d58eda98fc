/**
 * The ring and the ways in which its two threads wait for each other, in every order of their steps. The code is the
 * engine's own; a step is an atomic operation, a message, or a sync. What must hold: nobody sleeps while what they wait
 * for has come, no record is written over before it is durable, a close and a death are seen, the log takes every append
 * once and in order. Time passes only where nothing else can happen: a timeout hides no lost wake-up.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { effort, progress, TIMEOUT_MS, tally } from '../support/effort.js';
import { type Code, loadEngine } from './engine.js';
import type { Bounds } from './explore.js';
import { MUTATIONS } from './mutations.js';
import { SCENARIOS, tryAll } from './scenarios.js';

/**
 * How often threads may be taken from their work in a run. All orders up to a bound are tried to the end; without a bound,
 * which the long form tries as well, there may be too many.
 */
const BOUNDS: readonly Bounds[] = effort(
  [{ maxPreemptions: 2, maxStates: 50_000 }],
  [
    { maxPreemptions: 3, maxStates: 500_000 },
    { maxPreemptions: Number.POSITIVE_INFINITY, maxStates: 60_000 },
  ],
);

describe('in every order of steps', () => {
  let code: Code;
  beforeAll(async () => {
    code = await loadEngine();
  });

  test.each(SCENARIOS.map((scenario) => [scenario.name, scenario] as const))(
    '%s',
    (name, scenario) => {
      for (const bounds of BOUNDS) {
        const { states, runs, complete, violation } = tryAll(code, scenario, bounds);
        if (violation !== undefined) expect.fail(violation.message);
        if (Number.isFinite(bounds.maxPreemptions)) expect(complete).toBe(true);
        expect(states).toBeGreaterThan(100);
        const all = complete ? ', all there are' : '';
        progress(`ring: ${name}: ${bounds.maxPreemptions} preemptions: ${states} states, ${runs} runs${all}`);
        tally('ring', 'distinct states', states);
        tally('ring', 'interleavings', runs);
      }
    },
    TIMEOUT_MS,
  );
});

describe('an error in the protocol is found', () => {
  test.each(MUTATIONS.map((mutation) => [mutation.name, mutation] as const))(
    '%s',
    async (_, { changes, scenario: name, finds }) => {
      const scenario = SCENARIOS.find((one) => one.name === name)!;
      const { violation, states } = tryAll(await loadEngine(changes), scenario, {
        maxPreemptions: 2,
        maxStates: 20_000,
      });
      expect(violation?.message ?? `nothing in ${states} states`).toMatch(finds);
      // The schedule that leads there can be read.
      expect(violation!.message).toMatch(/\n {2}caller {2}stores head = 72\n/);
      tally('ring', 'mutations found', 1);
    },
    TIMEOUT_MS,
  );
});
