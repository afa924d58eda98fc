/** Going through the crash states of a recording, and making one of them again from its name. */
import { effort, progress, SEED, tally } from '../support/effort.js';
import { type CrashState, crashStateAt, crashStates } from './crash-states.js';
import { DEEP, type Depth, fatesAsText, NORMAL, parseFates } from './fates.js';
import type { Promised } from './history.js';
import { randomScenario } from './random-scenario.js';
import {
  afterCut,
  afterDeath,
  type Crashed,
  type Recording,
  recordOpening,
  recordRecovery,
  recordScenario,
} from './recording.js';
import { SCENARIOS } from './scenarios.js';

export const DEPTH: Depth = effort(NORMAL, DEEP);

/** The name of the one state that is to be looked at. */
export const ONE_STATE = process.env.CRASH_STATE;
export const REPLAY_FILE = 'test/crash/crash-states.test.ts';

export interface Exploring {
  readonly depth?: Depth;
  /** Call sites whose syncs are left out: of the states those alone that need this. */
  readonly without?: readonly string[];
}

/** The states of a recording. */
export function statesOf(
  { disk, from }: Recording,
  { without = [], depth = DEPTH }: Exploring = {},
): Generator<CrashState<Promised>> {
  return crashStates(disk.base, disk.journal, depth, { from, without });
}

/** Every so-manieth, from the first on. Nothing else is kept: images are large. */
export function* everyNth<T>(list: Iterable<T>, n: number): Generator<T> {
  let i = 0;
  for (const item of list) if (i++ % n === 0) yield item;
}

/** How a state is called, behind its recording's name. */
export function cutOf(
  { steps, fates }: Pick<CrashState<unknown>, 'steps' | 'fates'>,
  without: readonly string[] = [],
): string {
  return `${without.map((site) => `~${site}`).join('')}#${steps}:${fatesAsText(fates)}`;
}

/**
 * Check states of a recording. Returns how many; all of them are distinct.
 * @throws at the first one from which something was lost, with the line that repeats it
 */
export async function checkAll(
  recording: Recording,
  exploring: Exploring = {},
  states: Iterable<CrashState<Promised>> = statesOf(recording, exploring),
): Promise<number> {
  let count = 0;
  for (const state of states) {
    await check(recording, state, exploring.without);
    count++;
    if (count % 1000 === 0) progress(`crash states: ${recording.name}: ${count}`);
  }
  tally('crash states', exploring.without === undefined ? 'distinct states' : 'states without a sync', count);
  return count;
}

async function check(recording: Recording, state: CrashState<Promised>, without?: readonly string[]): Promise<void> {
  try {
    await recording.check(state);
  } catch (error) {
    const name = `${recording.name}${cutOf(state, without)}`;
    throw new Error(`${(error as Error).message}\nAgain: ${lineFor(name)}`, { cause: error });
  }
}

function lineFor(name: string): string {
  return `FAULTS_SEED=${SEED} CRASH_STATE='${name}' npx vitest run ${REPLAY_FILE}`;
}

/** The name of the state that a failure tells of; undefined where it tells of none. */
export function nameIn(message: string): string | undefined {
  return /CRASH_STATE='([^']*)'/.exec(message)?.[1];
}

const PART = /^([^~#]+)((?:~[^~]+?)*)#(\d+):([^:]+)$/;

/**
 * Make a state again and check it.
 * @param name what a failure has told
 */
export async function replay(name: string): Promise<void> {
  const parts = name.split('/').map((text) => {
    const match = PART.exec(text);
    if (match === null) throw new Error(`not the name of a crash state: ${text}`);
    const without = match[2]!.split('~').slice(1);
    return { recorded: match[1]!, without, steps: Number(match[3]), fates: match[4]! };
  });
  let crashed: Crashed | undefined;
  for (const [i, { recorded, without, steps, fates }] of parts.entries()) {
    const recording = await record(recorded, crashed);
    if (fates === 'dead') {
      crashed = afterDeath(recording, steps);
      continue;
    }
    const { disk } = recording;
    const state = crashStateAt(disk.base, disk.journal, steps, parseFates(fates), without);
    if (i === parts.length - 1) await check(recording, state, without);
    else crashed = afterCut(recording, state, cutOf(state, without));
  }
}

function record(recorded: string, crashed: Crashed | undefined): Promise<Recording> {
  if (crashed === undefined) {
    const random = /^random-(\d+)$/.exec(recorded);
    const scenario = random ? randomScenario(Number(random[1])) : SCENARIOS.find(({ id }) => id === recorded);
    if (scenario === undefined) throw new Error(`there is no scenario ${recorded}`);
    return recordScenario(scenario);
  }
  if (recorded === 'open') return recordOpening(crashed);
  if (recorded === 'recover') return recordRecovery(crashed);
  throw new Error(`a crashed store is opened or recovered, not ${recorded}`);
}
