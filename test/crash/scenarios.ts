/** The workloads whose every crash state is looked at. Each leaves a journal on its disk. */
import type { Pokes } from './inline-runtime.js';
import { type Disk, Session } from './session.js';

const KiB = 1024;

export interface Scenario {
  readonly name: string;
  readonly pokes: Pokes;
  run(session: Session): Promise<void>;
}

/** Run a scenario and return the disk with its journal. */
export async function record(scenario: Scenario, session = new Session(scenario.pokes)): Promise<Disk> {
  await scenario.run(session);
  return session.disk;
}

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'a new store, closed and opened before its first append',
    pokes: 'at-once',
    async run(session) {
      await session.open();
      await session.close();
      await session.open();
      await session.append('a', 100);
      await session.close();
    },
  },
  {
    name: 'appends, batches and appendMany in group commits, a close and a reopen',
    pokes: 'at-once',
    async run(session) {
      await session.open();
      await session.append('a', 100);
      await session.append('b', 700, 900, 1100);
      session.idle();
      await Promise.all([
        session.append('a', 300),
        session.appendMany({ stream: 'a', sizes: [600, 200] }, { stream: 'c', sizes: [1500] }),
        session.append('b', 10, 10, 10),
      ]);
      await session.appendKeyed('keyed', 'order-1', 400);
      await session.close();
      await session.open();
      await session.appendMany({ stream: 'd', sizes: [2500] }, { stream: 'a', sizes: [2500, 10] });
      await session.appendKeyed('keyed', 'order-2', 900);
      await session.close();
    },
  },
  {
    name: 'rotation with everything made ready ahead',
    pokes: 'at-once',
    run: rotate,
  },
  {
    name: 'rotation while the next segment is being made ready',
    pokes: 'late',
    run: rotate,
  },
  {
    name: 'processes that die in the middle of an append',
    pokes: 'late',
    async run(session) {
      await session.open();
      await session.dieAppending('die-before-sync', 'a', 900);
      await session.open();
      await session.append('b', 3 * KiB, 2 * KiB);
      await session.appendKeyed('keyed', 'order-1', 5 * KiB);
      session.idle();
      await session.dieAppending('die-in-write', 'a', 2 * KiB, 6 * KiB);
      await session.open();
      await session.append('a', 14 * KiB);
      await session.append('a', 26 * KiB, 3 * KiB);
      // Into the next segment.
      await session.dieAppending('die-before-sync', 'b', 16 * KiB);
      await session.open();
      await session.append('b', 40 * KiB);
      await session.dieAppending('die-in-write', 'a', 12 * KiB);
      await session.open();
      await session.appendMany({ stream: 'a', sizes: [700] }, { stream: 'b', sizes: [700] });
      session.kill();
      await session.open();
      await session.close();
    },
  },
  {
    name: 'syncs that fail',
    pokes: 'at-once',
    async run(session) {
      await session.open();
      await session.append('a', 900);
      await session.failAppending('a', 2 * KiB);
      await session.close();
      await session.open();
      await session.append('a', 50 * KiB);
      // The first frame of the next segment.
      await session.failAppending('b', 20 * KiB, 400);
      await session.close();
      await session.open();
      await session.append('b', 100);
      await session.failAppending('a', 100);
      await session.close();
      await session.open();
      await session.close();
    },
  },
];

async function rotate(session: Session): Promise<void> {
  await session.open();
  for (let i = 0; i < 4; i++) await session.append('a', 6 * KiB, 5 * KiB);
  await session.appendMany({ stream: 'b', sizes: [9 * KiB] }, { stream: 'a', sizes: [4 * KiB] });
  // Two appends that do not fit into what is left, in one group commit.
  await Promise.all([session.append('c', 7 * KiB), session.appendKeyed('keyed', 'order-1', 3 * KiB)]);
  for (let i = 0; i < 3; i++) await session.append('a', 14 * KiB);
  session.idle();
  // Larger than a segment.
  await session.append('big', 40 * KiB, 38 * KiB);
  await session.append('a', 100);
  await session.close();
  await session.open();
  await session.append('a', 5 * KiB);
  await session.close();
}
