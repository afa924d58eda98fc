/** Workloads of random calls and faults, each the same one for the same number. */
import { SEED } from '../support/effort.js';
import { type Random, seeded } from './random.js';
import type { Scenario } from './scenarios.js';
import type { Session } from './session.js';

const CALLS = 16;
const STREAMS = 5;
/** From a few bytes to more than half of a segment. Unit: bytes. */
const SMALLEST = 10;
const LARGEST = 40 * 1024;

type Act = (session: Session, random: Random) => Promise<unknown>;

/** What may happen, and how often beside the others. */
const ACTS: readonly (readonly [number, Act])[] = [
  [6, (session, random) => session.append(streamOf(random), ...sizes(random))],
  [3, (session, random) => Promise.all(times(random, 3, () => session.append(streamOf(random), ...sizes(random))))],
  [3, (session, random) => session.appendMany(...partsOf(random))],
  [3, (session, random) => session.appendKeyed('keyed', `key-${random()}`, sizeOf(random))],
  [2, (session, random) => Promise.all(times(random, 3, () => session.enqueue(streamOf(random), ...sizes(random))))],
  [2, async (session, random) => session.appendSync(streamOf(random), ...sizes(random))],
  [1, (session, random) => session.appendWeakly('accepted', streamOf(random), ...sizes(random))],
  [1, (session, random) => session.appendWeakly('written', streamOf(random), ...sizes(random))],
  [1, async (session) => session.idle()],
  [2, closeAndOpen],
  [2, dieAndOpen],
  [1, failAndOpen],
  [2, refuseAndResume],
  [1, dieOpening],
];

export function randomScenario(number: number): Scenario {
  const seed = SEED * 7919 + number;
  return {
    id: `random-${number}`,
    name: `random calls and faults, number ${number}`,
    pokes: pick(seeded(seed), ['at-once', 'late', 'never'] as const),
    async run(session) {
      const random = seeded(seed);
      await session.open();
      for (let i = 0; i < CALLS; i++) await actOf(random)(session, random);
      await session.close();
    },
  };
}

async function closeAndOpen(session: Session): Promise<void> {
  await session.close();
  await session.open();
}

async function dieAndOpen(session: Session, random: Random): Promise<void> {
  const fault = pick(random, ['die-in-write', 'die-before-sync', 'kill'] as const);
  if (fault === 'kill') session.kill();
  else await session.dieAppending(fault, streamOf(random), ...sizes(random));
  await session.open();
}

async function failAndOpen(session: Session, random: Random): Promise<void> {
  await session.failAppending(streamOf(random), ...sizes(random));
  await closeAndOpen(session);
}

async function refuseAndResume(session: Session, random: Random): Promise<void> {
  // What is accepted and not durable would be given up with it.
  await session.flush();
  const space = pick(random, ['no-space', 'space-for-half'] as const);
  await session.refuseAppending(space, streamOf(random), ...sizes(random));
  await session.resume();
}

async function dieOpening(session: Session, random: Random): Promise<void> {
  session.kill();
  await session.dieOpening(Math.floor(random() * 16));
  await session.open();
}

function actOf(random: Random): Act {
  let left = random() * ACTS.reduce((sum, [weight]) => sum + weight, 0);
  for (const [weight, act] of ACTS) {
    left -= weight;
    if (left < 0) return act;
  }
  throw new Error('the weights do not add up');
}

function partsOf(random: Random): { stream: string; sizes: number[] }[] {
  const streams = new Set(times(random, 3, () => streamOf(random)));
  return [...streams].map((stream) => ({ stream, sizes: sizes(random) }));
}

function streamOf(random: Random): string {
  return `stream-${Math.floor(random() * STREAMS)}`;
}

function sizes(random: Random): number[] {
  return times(random, 2, () => sizeOf(random));
}

/** As often small as large, on a scale of powers. */
function sizeOf(random: Random): number {
  return Math.floor(SMALLEST * (LARGEST / SMALLEST) ** random());
}

function times<T>(random: Random, most: number, make: () => T): T[] {
  return Array.from({ length: 1 + Math.floor(random() * most) }, make);
}

function pick<T>(random: Random, list: readonly T[]): T {
  return list[Math.floor(random() * list.length)]!;
}
