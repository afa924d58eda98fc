/** Faults at every system call of a deletion and of a compaction: the process is killed there, or the call fails. */
import fs from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { openStore, type RecordedEvent, type Store } from '../../dist/main/index.js';
import { verifyProof } from '../../dist/shared/portable/proof/index.js';
import { effort, progress, TIMEOUT_MS, tally } from '../support/effort.js';
import { makeDir, removeDir } from '../support/stores.js';
import { cannot, orSkip } from './kit.js';
import { type CommandPlace, findPlaces, type Ran, type Swept, toldOf, tryAll, withTemporary } from './places.js';
import { spread } from './sweep.js';

const skip = orSkip(cannot('strace'));

// Blocks as they are, in which text can be looked for.
const SMALL = { segmentBytes: 65_536, compression: 'none', sealing: 'on-demand', poolThreads: 1 } as const;
const GONE = 'to be forgotten, ';
const KEPT = 'to be kept, ';
const ROUNDS = 6;
/** Of the stream that is deleted: so many of its events there are. */
const OF_GONE = ROUNDS * 2;
const TOMBSTONE = 'gone $tombstone';
const ERRNOS = ['EIO', 'ENOSPC'] as const;

type Name = 'a deletion' | 'a compaction' | 'a compaction of the newest segment';
type Group = 'segments' | 'manifest' | 'tombstones' | 'sealed' | 'index' | 'directory';

interface Scenario {
  readonly swept: Swept<Group>;
  /** Of the base: what is to stay, each with its digest, and what is to go. */
  readonly left: readonly RecordedEvent[];
  readonly digests: readonly string[];
  readonly checkpoint: { readonly size: number; readonly text: string };
  readonly isDeleted: boolean;
  /** Whether some of the deleted stream is in the newest segment: then a compaction has the log go on in another. */
  readonly isNewest: boolean;
  readonly places: readonly CommandPlace<Group>[];
}

interface Steps extends Pick<Scenario, 'isDeleted' | 'isNewest'> {
  readonly steps: readonly string[];
  readonly groups: readonly Group[];
}

const STEPS: Readonly<Record<Name, Steps>> = {
  'a deletion': {
    isDeleted: false,
    isNewest: false,
    steps: ['delete', 'append', 'read'],
    groups: ['segments', 'manifest', 'tombstones', 'directory'],
  },
  'a compaction': {
    isDeleted: true,
    isNewest: false,
    steps: ['compact', 'append', 'read'],
    groups: ['sealed', 'index', 'directory'],
  },
  'a compaction of the newest segment': {
    isDeleted: true,
    isNewest: true,
    steps: ['compact', 'append', 'read'],
    groups: ['segments', 'sealed', 'index', 'directory'],
  },
};
const NAMES = Object.keys(STEPS) as Name[];

let base: string;
const scenarios = new Map<Name, Scenario>();

/** A store of a few sealed segments and their audit tree; a stream of it is deleted, or not. */
async function makeScenario(name: Name): Promise<Scenario> {
  const { isDeleted, isNewest, steps, groups } = STEPS[name];
  const dir = path.join(base, `${steps[0]}-${isNewest}`);
  const store = await openStore({ ...SMALL, dir });
  const event = (text: string, bytes: number): object => ({ type: 'Said', data: text.repeat(bytes / text.length) });
  for (let i = 0; i < ROUNDS; i++) {
    await store.appendMany([
      { stream: 'kept', events: [event(KEPT, 9000), event(KEPT, 90)] as never },
      { stream: 'gone', events: [event(GONE, 7000), event(GONE, 170)] as never },
      { stream: 'other', events: event(KEPT, 5000) as never },
    ]);
  }
  if (isDeleted) {
    await store.deleteStream('gone');
    if (!isNewest) await rotate(store);
  }
  await store.seal();
  const checkpoint = await store.checkpoint();
  const left = (await store.read({ streams: ['kept', 'other'] }).toArray()) as RecordedEvent[];
  const digests = await Promise.all(left.map(({ id }) => store.digest(id)));
  await store.close();
  const numbers = Array.from({ length: store.stats().segments + 2 }, (_, i) => String(i + 1).padStart(10, '0'));
  const filesOf = (of: string, group: Group): string[] => {
    if (group === 'directory') return [of];
    if (group === 'manifest' || group === 'tombstones') return withTemporary(of, `keeperlog.${group}`);
    const ending = group === 'segments' ? 'log' : group;
    return numbers.flatMap((number) => withTemporary(of, `segment-${number}.${ending}`));
  };
  const args = { ...SMALL, steps, stream: 'gone' };
  const swept = { base: dir, command: 'keep', args, groups, filesOf };
  const { places, ran } = await findPlaces(swept);
  progress(`${name}: ${places.length} places`);
  expect(toldOf(ran.told, 'append')).toMatchObject({ outcome: 'acknowledged' });
  for (const group of groups) expect(places.filter((place) => place.group === group).length, group).toBeGreaterThan(1);
  const scenario = { swept, left, digests, checkpoint, isDeleted, isNewest, places };
  await expectWhole(scenario, ran);
  scenarios.set(name, scenario);
  return scenario;
}

async function scenarioOf(name: Name): Promise<Scenario> {
  return scenarios.get(name) ?? (await makeScenario(name));
}

/** On to the next segment. */
async function rotate(store: Store): Promise<void> {
  for (let i = 0; i < 2; i++) await store.append('filler', { type: 'Filled', data: KEPT.repeat(3500) });
}

/** What must hold afterwards: for who only reads, for who writes, and once all has been done after all. */
async function expectWhole(scenario: Scenario, { dir, told }: Ran): Promise<void> {
  const deletion = toldOf(told, 'delete');
  const isSure = scenario.isDeleted || deletion?.outcome === 'acknowledged';
  const reader = await openStore({ dir, readOnly: true });
  if (isSure) expect(await ofGone(reader)).toBe(0);
  expect((await reader.verify({ deep: true })).problems).toEqual([]);
  await reader.close();

  const store = await openStore({ ...SMALL, dir });
  try {
    const gone = await ofGone(store);
    if (isSure) expect(gone).toBe(0);
    else if (deletion?.outcome === 'not-appended') expect(gone).toBe(OF_GONE);
    else expect([0, OF_GONE]).toContain(gone);
    const tombstones = await store.read({ types: '$tombstone' }).toArray();
    expect(tombstones).toHaveLength(gone === 0 ? 1 : 0);
    const appended = await store.readStream('after').toArray();
    const { ids = [] } = toldOf(told, 'append') ?? {};
    expect(appended.map(({ id }) => id)).toEqual(expect.arrayContaining([...ids]));
    await expectLeft(scenario, store);
    // But for that of an index, which is made in the background where a read has missed it.
    expect(fs.readdirSync(dir).filter((name) => /(?<!\.index(\.runs)?)\.tmp$/.test(name))).toEqual([]);

    if (gone > 0) await store.deleteStream('gone');
    await rotate(store);
    await store.compact();
    expect(filesWith(dir, GONE)).toEqual([]);
    expect(filesWith(dir, KEPT).length).toBeGreaterThan(1);
    await expectLeft(scenario, store);
    expect(await ofGone(store)).toBe(0);
  } finally {
    await store.close();
  }
}

/** How many events of the deleted stream are read. */
async function ofGone(store: Store): Promise<number> {
  return (await store.read({ streams: 'gone', types: 'Said' }).toArray()).length;
}

/** Nothing else was touched, and what was signed holds. */
async function expectLeft({ left, digests, checkpoint }: Scenario, store: Store): Promise<void> {
  expect((await store.verify({ deep: true })).problems).toEqual([]);
  const rows = await store.read({ streams: ['kept', 'other'] }).toArray();
  expect(rows.map((row) => JSON.stringify(row))).toEqual(left.map((row) => JSON.stringify(row)));
  for (const [i, { id }] of left.entries()) expect(await store.digest(id)).toBe(digests[i]);
  const { publicKey } = await store.checkpoint();
  const consistency = await store.proveConsistency(checkpoint.size);
  await verifyProof(consistency, { keys: publicKey, checkpoint: checkpoint.text });
  await verifyProof(await store.prove(left[1]!.id), { keys: publicKey, digest: digests[1]! });
}

/** Files of the log in which a text is. */
function filesWith(dir: string, text: string): string[] {
  return fs
    .readdirSync(dir)
    .filter((name) => name.startsWith('segment-') && fs.readFileSync(path.join(dir, name)).includes(text));
}

/** What may come of a failing call: the opening is refused, or steps fail by it, each saying what became of it. */
function expectTold({ isNewest }: Scenario, { told, error }: Ran, errno: string): void {
  if (error !== undefined) {
    expect(error).toMatchObject({ code: 'ERR_STORAGE', errno });
    expect(told).toEqual([]);
    return;
  }
  const outcomes = ['acknowledged', 'unknown', 'not-appended'];
  for (const { call, outcome, code, errno: found } of told) {
    if (call === 'delete' || call === 'append') expect(outcomes).toContain(outcome);
    if (outcome === 'acknowledged') continue;
    if (errno === 'ENOSPC' && code === 'ERR_DEGRADED') expect(outcome).toBe('not-appended');
    else expect({ call, code, errno: found }).toEqual({ call, code: 'ERR_STORAGE', errno });
  }
  const rows = toldOf(told, 'read')?.rows;
  const isDeleted = rows?.includes(TOMBSTONE);
  if (rows !== undefined) expect(rows.filter((row) => row === 'gone Said').length).toBe(isDeleted ? 0 : OF_GONE);
  if (rows !== undefined && toldOf(told, 'delete')?.outcome === 'acknowledged') expect(isDeleted).toBe(true);
  // A failing call of a compaction is none of the log, unless that is to go on in another segment.
  if (toldOf(told, 'compact')?.code !== undefined && !isNewest) {
    expect(toldOf(told, 'append')).toMatchObject({ outcome: 'acknowledged' });
  }
}

beforeAll(async () => {
  if (skip) return;
  base = makeDir();
  return () => removeDir(base);
});

describe.skipIf(skip)('kill -9 at a system call', () => {
  it.each(NAMES)(
    'of %s takes nothing else, and what was deleted stays so',
    async (name) => {
      const scenario = await scenarioOf(name);
      const { places, swept } = scenario;
      const some = swept.groups.flatMap((group) =>
        spread(
          places.filter((place) => place.group === group),
          1,
        ),
      );
      const tried = effort(some, places);
      const trials = tried.map((place) => ({ place, fault: 'signal=KILL' }));
      const kills = await tryAll(swept, trials, (ran) => expectWhole(scenario, ran));
      tally('processes', `kill -9 at a system call of ${name}, by strace`, kills);
    },
    TIMEOUT_MS,
  );
});

describe.skipIf(skip)('a system call that fails', () => {
  it.each(NAMES)(
    'during %s refuses the opening, or is told by the step that it hits, and takes nothing else',
    async (name) => {
      const scenario = await scenarioOf(name);
      const tried = effort(
        spread(scenario.places, 2).map((place, i) => ({ place, errno: ERRNOS[i]! })),
        scenario.places.flatMap((place) => ERRNOS.map((errno) => ({ place, errno }))),
      );
      let met = 0;
      for (const errno of ERRNOS) {
        const trials = tried
          .filter((one) => one.errno === errno)
          .map(({ place }) => ({ place, fault: `error=${errno}` }));
        met += await tryAll(scenario.swept, trials, async (ran) => {
          expectTold(scenario, ran, errno);
          await expectWhole(scenario, ran);
        });
      }
      tally('processes', `system calls of ${name} that failed (EIO, ENOSPC)`, met);
    },
    TIMEOUT_MS,
  );
});
