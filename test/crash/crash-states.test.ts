import { describe, expect, it } from 'vitest';
import { effort, TIMEOUT_MS } from '../support/effort.js';
import { checkAll, ONE_STATE, replay } from './explore.js';
import { recordScenario } from './recording.js';
import { SCENARIOS } from './scenarios.js';

/** How many distinct states there must be at least. */
const AT_LEAST = effort(3000, 100_000);

describe.runIf(ONE_STATE === undefined)(
  'a power cut at any moment leaves a store that opens with everything it had acknowledged',
  () => {
    let checked = 0;

    it.each(SCENARIOS.map((scenario) => [scenario.name, scenario] as const))(
      'in %s',
      async (_, scenario) => {
        const count = await checkAll(await recordScenario(scenario));
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
