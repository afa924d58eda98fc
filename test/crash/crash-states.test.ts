import { describe, expect, it } from 'vitest';
import { effort, TIMEOUT_MS } from '../support/effort.js';
import { checkAll, everyNth, ONE_STATE, replay, statesOf } from './explore.js';
import { randomScenario } from './random-scenario.js';
import { recordScenario } from './recording.js';
import { SCENARIOS } from './scenarios.js';

const RANDOM = Array.from({ length: effort(2, 85) }, (_, i) => randomScenario(i));

/** In the short form, every so-manieth state of the scenarios that have many. */
const EVERY: Readonly<Record<string, number>> = effort(
  {
    'rotation-ready': 2,
    'rotation-late': 2,
    preallocation: 2,
    'full-disk': 2,
    checkpoints: 3,
    retention: 6,
    'retention-deleted': 12,
    compaction: 6,
    'compaction-newest': 24,
    deletion: 6,
  },
  {},
);

/** How many distinct states there must be at least. */
const AT_LEAST = effort(2500, 100_000);

describe.runIf(ONE_STATE === undefined)(
  'a power cut at any moment leaves a store that opens with everything it had acknowledged',
  () => {
    let checked = 0;

    it.each([...SCENARIOS, ...RANDOM].map((scenario) => [scenario.name, scenario] as const))(
      'in %s',
      async (_, scenario) => {
        const recording = await recordScenario(scenario);
        const count = await checkAll(recording, {}, everyNth(statesOf(recording), EVERY[scenario.id] ?? 1));
        expect(count).toBeGreaterThan(0);
        checked += count;
      },
      TIMEOUT_MS,
    );

    it(`over at least ${AT_LEAST} distinct states`, () => expect(checked).toBeGreaterThanOrEqual(AT_LEAST));
  },
);

describe.runIf(ONE_STATE !== undefined)('the one state of CRASH_STATE', () => {
  it(`loses nothing: ${ONE_STATE}`, () => replay(ONE_STATE!), TIMEOUT_MS);
});
