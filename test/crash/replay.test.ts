import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { SEED, TIMEOUT_MS } from '../support/effort.js';
import { checkAll, cutOf, nameIn, ONE_STATE, REPLAY_FILE, replay, statesOf } from './explore.js';
import { type Fate, fatesAsText, LIGHT, parseFates } from './fates.js';
import type { Step } from './image.js';
import { seeded } from './random.js';
import { randomScenario } from './random-scenario.js';
import { afterCut, afterDeath, type Recording, recordOpening, recordRecovery, recordScenario } from './recording.js';
import { SCENARIOS } from './scenarios.js';
import { sitesOf } from './sites.js';

const VITEST = fileURLToPath(new URL('../../node_modules/vitest/vitest.mjs', import.meta.url));
const COMMIT = 'sync@log-file.sync<writer.#commit';
const MEND = 'sync@recovery.mend<recovery.recover';
const SET_ASIDE = 'sync@storage.replaceFile<recovery.setAside';
/** How the file of a sealed segment ends while it is written. */
const SEALING = '.sealed.tmp';

function recordingOf(id: string): Promise<Recording> {
  return recordScenario(SCENARIOS.find((scenario) => scenario.id === id)!);
}

async function failureOf(recording: Recording, without: string): Promise<string> {
  const failure = await checkAll(recording, { without: [without] }).then(
    () => undefined,
    (error: Error) => error,
  );
  return failure!.message;
}

/**
 * Steps without the bytes, which are others in each store; and so are, of what is compressed, their number and where they are: a compacted
 * segment always is.
 */
function shapesOf(steps: readonly Step<unknown>[]): unknown[] {
  const compressed = new Set<number>();
  return steps.map((step) => {
    if (step.kind === 'create' && step.name.endsWith(SEALING)) compressed.add(step.inode);
    if (step.kind === 'write') {
      return compressed.has(step.inode) ? { ...step, bytes: 0, offset: 0 } : { ...step, bytes: step.bytes.length };
    }
    return step.kind === 'note' ? 'note' : step;
  });
}

describe.runIf(ONE_STATE === undefined)('a crash state', () => {
  it.each([...SCENARIOS, randomScenario(0)].map((scenario) => [scenario.name, scenario] as const))(
    'has its place in the same steps each time: in %s',
    async (_, scenario) => {
      const first = await recordScenario(scenario);
      const second = await recordScenario(scenario);
      expect(shapesOf(second.disk.journal)).toEqual(shapesOf(first.disk.journal));
    },
    TIMEOUT_MS,
  );

  it.each([
    ['of a scenario', COMMIT, () => recordingOf('rotation-late')],
    ['of a store opened after a power cut', SET_ASIDE, openedAfterCut],
    ['of a store opened after its process had died', MEND, openedAfterDeath],
    ['of recovery alone', SET_ASIDE, recovering],
  ])(
    '%s that fails is told in a line, and fails in the same way when it is made again from that',
    async (_, site, make) => {
      const message = await failureOf(await make(), site);
      expect(message).toContain(`FAULTS_SEED=${SEED} CRASH_STATE='`);
      await expect(replay(nameIn(message)!)).rejects.toThrow(new Error(message));
    },
    TIMEOUT_MS,
  );

  it(
    'is the only thing that is looked at where CRASH_STATE names it',
    async () => {
      const message = await failureOf(await recordingOf('rotation-late'), COMMIT);
      const failing = nameIn(message)!;
      expect(await runOne(failing)).toMatchObject({ code: 1, counts: '1 failed' });
      expect(await runOne('rotation-late#0:=')).toMatchObject({ code: 0, counts: '1 passed' });
    },
    TIMEOUT_MS,
  );

  it('that is no such thing is refused', async () => {
    await expect(replay('rotation-late')).rejects.toThrow('not the name of a crash state');
    await expect(replay('nothing#1:+')).rejects.toThrow('there is no scenario nothing');
    await expect(replay('rotation-late#1:+')).rejects.toThrow('0 changes are not durable after step 1, not 1');
    await expect(replay('rotation-late#1:x')).rejects.toThrow('not the fates of changes');
  });
});

it('fates are told and read again', () => {
  const random = seeded(SEED);
  for (let i = 0; i < 1000; i++) {
    const fates = Array.from({ length: Math.floor(random() * 6) }, (): Fate => {
      if (random() < 0.5) return random() < 0.5;
      return Array.from({ length: 1 + Math.floor(random() * 9) }, () => random() < 0.5);
    });
    expect(parseFates(fatesAsText(fates))).toEqual(fates);
  }
});

/** A store with a torn tail, opened. */
async function openedAfterCut(): Promise<Recording> {
  const recording = await recordingOf('process-deaths');
  for (const state of statesOf(recording, { depth: LIGHT })) {
    // The whole of the page cache: what a dead process has left of a frame among it.
    if (!state.fates.every((fate) => fate === true)) continue;
    const opening = await recordOpening(afterCut(recording, state, cutOf(state)));
    if (sitesOf(opening).has(SET_ASIDE)) return opening;
  }
  throw new Error('no state has a torn tail');
}

/** A store whose first frame is in the page cache alone, opened. */
async function openedAfterDeath(): Promise<Recording> {
  const recording = await recordingOf('process-deaths');
  const steps = recording.disk.journal.findIndex((step) => step.kind === 'sync' && step.by?.name === COMMIT);
  return recordOpening(afterDeath(recording, steps));
}

/** Recovery that sets a torn tail aside. */
async function recovering(): Promise<Recording> {
  const recording = await recordingOf('process-deaths');
  for (let steps = recording.disk.journal.length; steps > recording.from; steps--) {
    const recovery = await recordRecovery(afterDeath(recording, steps));
    if (sitesOf(recovery).has(SET_ASIDE)) return recovery;
  }
  throw new Error('no death leaves a torn tail');
}

/** Run the test of one state as the printed line does. */
async function runOne(state: string): Promise<{ code: number; counts: string | undefined }> {
  const { FAULTS_TALLY: _, ...env } = process.env;
  const args = [VITEST, 'run', REPLAY_FILE, '--typecheck.enabled=false'];
  const child = spawn(process.execPath, args, {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    env: { ...env, NO_COLOR: '1', CRASH_STATE: state },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [told, [code]] = await Promise.all([text(child.stdout), once(child, 'close')]);
  return { code, counts: /^ +Tests +(.*?) \|/m.exec(told)?.[1] };
}
