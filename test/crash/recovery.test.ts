import { describe, expect, it } from 'vitest';
import { MANIFEST_FILE } from '../../dist/shared/format/file-names.js';
import { effort, TIMEOUT_MS } from '../support/effort.js';
import type { CrashState } from './crash-states.js';
import { checkAll, cutOf, everyNth, ONE_STATE, statesOf } from './explore.js';
import { NORMAL } from './fates.js';
import type { Promised } from './history.js';
import { afterCut, afterDeath, type Recording, recordOpening, recordRecovery, recordScenario } from './recording.js';
import { SCENARIOS } from './scenarios.js';
import { DIR } from './session.js';

/** Every so-manieth state or death in which recovery begins. */
const EVERY = { cut: effort(97, 2), dead: effort(11, 1), repeated: effort(41, 3) };
/** In the short form the scenarios in which most is left to mend. */
const RECORDED = effort(
  SCENARIOS.filter(({ id }) => id === 'rotation-late' || id === 'process-deaths'),
  SCENARIOS,
);
/** How many distinct states there must be at least. */
const AT_LEAST = effort(200, 30_000);

/** States of a store that was made; fewer than those in which the recovery itself is cut. */
function* statesWorthMending(recording: Recording): Generator<CrashState<Promised>> {
  for (const state of statesOf(recording, { depth: NORMAL })) {
    if (state.image.names.has(`${DIR}/${MANIFEST_FILE}`)) yield state;
  }
}

/** The steps that make something durable: before them it is in the page cache alone. */
function syncsOf({ disk, from }: Recording): number[] {
  return Array.from(disk.journal.keys()).filter((step) => step >= from && disk.journal[step]!.kind === 'sync');
}

describe.runIf(ONE_STATE === undefined)('recovery that is cut by a second power cut', () => {
  let checked = 0;

  it.each(RECORDED.map((scenario) => [scenario.id, scenario] as const))(
    'leaves a store that opens with everything that was acknowledged or shown, where the first had come in %s',
    async (_, scenario) => {
      const recording = await recordScenario(scenario);
      for (const state of everyNth(statesWorthMending(recording), EVERY.cut)) {
        checked += await checkAll(await recordOpening(afterCut(recording, state, cutOf(state))));
      }
    },
    TIMEOUT_MS,
  );

  it.each(RECORDED.map((scenario) => [scenario.id, scenario] as const))(
    'leaves such a store, too, where nothing but the page cache had what a dead process had written last in %s',
    async (_, scenario) => {
      const recording = await recordScenario(scenario);
      for (const steps of everyNth(syncsOf(recording), EVERY.dead)) {
        checked += await checkAll(await recordOpening(afterDeath(recording, steps)));
      }
    },
    TIMEOUT_MS,
  );

  it(
    'does not bring back what a dead process had given up, once the store has shown that it is not there',
    async () => {
      const recording = await recordScenario(SCENARIOS.find(({ id }) => id === 'full-disk')!);
      const { journal } = recording.disk;
      // Zeros over a frame that was given up, or a new segment cut back to nothing, just before that is synced.
      const givenUp = syncsOf(recording).filter((step) => {
        const before = journal[step - 1];
        if (before?.kind === 'truncate') return true;
        return before?.kind === 'write' && before.bytes.every((byte) => byte === 0);
      });
      expect(givenUp.length).toBeGreaterThan(1);
      for (const steps of givenUp) checked += await checkAll(await recordOpening(afterDeath(recording, steps)));
    },
    TIMEOUT_MS,
  );

  it.each(RECORDED.map((scenario) => [scenario.id, scenario] as const))(
    'comes to the same log and keeps the same torn tail when it is repeated, after %s',
    async (_, scenario) => {
      const recording = await recordScenario(scenario);
      for (const state of everyNth(statesWorthMending(recording), EVERY.repeated)) {
        checked += await checkAll(await recordRecovery(afterCut(recording, state, cutOf(state))));
      }
    },
    TIMEOUT_MS,
  );

  it(`over at least ${AT_LEAST} distinct states`, () => expect(checked).toBeGreaterThanOrEqual(AT_LEAST));
});
