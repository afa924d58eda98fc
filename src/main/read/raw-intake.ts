/** How the index of a raw segment takes in what it lacks: in slices, between which the thread does other things. */
import { setImmediate as giveThreadBack } from 'node:timers/promises';
import type { RawIndex } from './raw-index.js';
import type { Records } from './records.js';
import type { Run } from './run.js';

/** How often the time is looked at. */
const STEP_RECORDS = 128;

export interface Intake {
  readonly records: Records;
  /** How long the thread is taken at a time. */
  readonly sliceMs: number;
  /** Asked before each step; throws or returns false where it is not to go on. */
  goOn(): boolean;
  /** Whether the place in the file of what is in the cache is to be filled in now. */
  isPlaceWanted(): boolean;
}

/**
 * Take in everything up to a durable sequence of the segment. Others may do the same meanwhile: after each wait it goes on from
 * where the index is by then.
 * @throws ERR_CORRUPT, ERR_STORAGE
 */
export async function takeIn(index: RawIndex, lastSequence: number, intake: Intake): Promise<void> {
  const { records } = intake;
  let run: Run | undefined;
  let began = performance.now();
  while (intake.goOn()) {
    const open = index.openSequence;
    const isAtHand = run !== undefined && open >= run.firstSequence && open <= run.lastSequence;
    if (open <= lastSequence && (isAtHand || intake.isPlaceWanted() || records.loadCached(open) === undefined)) {
      const present = records.holes.skip(open);
      if (present > open) {
        index.skipTo(Math.min(present, lastSequence + 1));
        continue;
      }
      if (!isAtHand) run = await records.loadFromFile(open, lastSequence);
      index.add(run!, Math.min(lastSequence, open + STEP_RECORDS - 1));
    } else if (index.nextSequence <= lastSequence) {
      const next = index.nextSequence;
      index.add(records.loadCached(next)!, Math.min(lastSequence, next + STEP_RECORDS - 1));
    } else {
      return;
    }
    if (performance.now() - began < intake.sliceMs) continue;
    await giveThreadBack();
    began = performance.now();
  }
}
