import { describe, it } from 'vitest';
import { MANIFEST_FILE } from '../../dist/shared/format/file-names.js';
import { effort, sample, TIMEOUT_MS } from '../support/effort.js';
import type { CrashState } from './crash-states.js';
import { checkAll, cutOf, ONE_STATE, statesOf } from './explore.js';
import { LIGHT, NORMAL } from './fates.js';
import type { Promised } from './history.js';
import { afterCut, afterDeath, type Recording, recordOpening, recordRecovery, recordScenario } from './recording.js';
import { SCENARIOS } from './scenarios.js';
import { DIR } from './session.js';

/** What recovery begins with is chosen less thoroughly than where it is cut. */
const BEGUN_WITH = effort(LIGHT, NORMAL);
/** In the short form the scenarios in which a tail is torn; every so-manieth of their states. */
const EVERY = { cut: 97, dead: 11, repeated: 41 };
const RECORDED = SCENARIOS.filter(
  ({ id }) => effort(['rotation-late', 'process-deaths'], undefined)?.includes(id) ?? true,
);

/** States of a store that was made. */
function statesWorthMending(recording: Recording): CrashState<Promised>[] {
  const states = [...statesOf(recording, { depth: BEGUN_WITH })];
  return states.filter(({ image }) => image.names.has(`${DIR}/${MANIFEST_FILE}`));
}

/** The steps that make something durable: before them it is in the page cache alone. */
function syncsOf({ disk, from }: Recording): number[] {
  return Array.from(disk.journal.keys()).filter((step) => step >= from && disk.journal[step]!.kind === 'sync');
}

describe.runIf(ONE_STATE === undefined)('recovery that is cut by a second power cut', () => {
  it.each(RECORDED.map((scenario) => [scenario.id, scenario] as const))(
    'leaves a store that opens with everything that was acknowledged or shown, where the first had come in %s',
    async (_, scenario) => {
      const recording = await recordScenario(scenario);
      for (const state of sample(statesWorthMending(recording), EVERY.cut)) {
        await checkAll(await recordOpening(afterCut(recording, state, cutOf(state))));
      }
    },
    TIMEOUT_MS,
  );

  it.each(RECORDED.map((scenario) => [scenario.id, scenario] as const))(
    'leaves such a store, too, where nothing but the page cache had what a dead process had written last in %s',
    async (_, scenario) => {
      const recording = await recordScenario(scenario);
      for (const steps of sample(syncsOf(recording), EVERY.dead)) {
        await checkAll(await recordOpening(afterDeath(recording, steps)));
      }
    },
    TIMEOUT_MS,
  );

  it.each(RECORDED.map((scenario) => [scenario.id, scenario] as const))(
    'comes to the same log and keeps the same torn tail when it is repeated, after %s',
    async (_, scenario) => {
      const recording = await recordScenario(scenario);
      for (const state of sample(statesWorthMending(recording), EVERY.repeated)) {
        await checkAll(await recordRecovery(afterCut(recording, state, cutOf(state))));
      }
    },
    TIMEOUT_MS,
  );
});
