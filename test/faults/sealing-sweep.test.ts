/**
 * Faults at every system call of what is derived of the log: the sealing of a full segment, the making of indexes that queries
 * miss, a checkpoint of heads. The process is killed there, or the call fails.
 */
import fs from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { openStore, type RecordedEvent, type Store, type StoreStats } from '../../dist/main/index.js';
import { openTables } from '../../dist/main/replay.js';
import { hashesOnLevel, levelsOf, TILE_WIDTH, tilePath } from '../../dist/shared/format/tile.js';
import { verifyProof } from '../../dist/shared/portable/proof/index.js';
import { nodeStorage } from '../../dist/shared/storage.js';
import { effort, progress, TIMEOUT_MS, tally } from '../support/effort.js';
import { makeDir, removeDir } from '../support/stores.js';
import { cannot, orSkip } from './kit.js';
import type { Told } from './oracle.js';
import { type CommandPlace, findPlaces, type Ran, type Swept, toldOf, tryAll, withTemporary } from './places.js';
import { type Base, COLD, fullBase, indexesBase, KEYED, ODD, SMALL, segmentName } from './sealing-bases.js';
import { isSure, spread } from './sweep.js';

const skip = orSkip(cannot('strace'));

type Name = 'sealing' | 'the making of indexes' | 'a checkpoint of heads';
type Group = 'segments' | 'sealed' | 'index' | 'tree' | 'heads' | 'directory';

interface Kind {
  readonly make: (dir: string) => Promise<Base>;
  readonly steps: readonly string[];
  readonly groups: readonly Group[];
  /** Files that one of the steps waits for. */
  readonly files: readonly string[];
  /** Segments whose files are met. */
  readonly numbers: readonly number[];
}

const KINDS: Readonly<Record<Name, Kind>> = {
  // One segment is sealed before that which is met, and one is full behind it.
  sealing: {
    make: fullBase,
    steps: ['seal', 'sign', 'seal', 'sign', 'append', 'query', 'read'],
    groups: ['segments', 'sealed', 'index', 'tree', 'directory'],
    files: [],
    numbers: [2],
  },
  'the making of indexes': {
    make: indexesBase,
    steps: ['query', 'made', 'query', 'append', 'read'],
    groups: ['sealed', 'index', 'directory'],
    files: [1, 2, 3].map((number) => `${segmentName(number)}.index`),
    numbers: [1, 2, 3],
  },
  'a checkpoint of heads': {
    make: fullBase,
    steps: ['fill', 'made', 'again', 'expect', 'append', 'read'],
    groups: ['heads', 'directory'],
    files: ['keeperlog.heads'],
    numbers: [],
  },
};
const NAMES = Object.keys(KINDS) as Name[];
const ERRNOS = ['EIO', 'ENOSPC'] as const;
/** Calls that no full disk fails. */
const TAKES_NO_SPACE: readonly string[] = ['pread64', 'unlink', 'rmdir'];
/** Segments of a base that are full. */
const FULL = 3;
/** Steps that append. */
const APPENDS = ['fill', 'again', 'expect', 'append'];

interface Scenario {
  readonly base: Base;
  readonly swept: Swept<Group>;
  readonly places: readonly CommandPlace<Group>[];
}

let root: string;
const scenarios = new Map<Name, Scenario>();

beforeAll(() => {
  if (skip) return;
  root = makeDir();
  return () => removeDir(root);
});

async function scenarioOf(name: Name): Promise<Scenario> {
  const known = scenarios.get(name);
  if (known !== undefined) return known;
  const { make, steps, groups, files, numbers } = KINDS[name];
  const base = await make(fs.mkdtempSync(path.join(root, 'base-')));
  const args = { ...SMALL, steps, files, where: ODD, keyed: KEYED, ...COLD };
  const tree = treeOf([base.checkpoint.size, base.rows.length]);
  const filesOf = (dir: string, group: Group): string[] => {
    if (group === 'directory') return [dir];
    if (group === 'heads') return withTemporary(dir, 'keeperlog.heads');
    if (group === 'tree') return tree.flatMap((one) => withTemporary(dir, one));
    const endings = { segments: ['log'], sealed: ['sealed'], index: ['index', 'index.runs'] }[group];
    return numbers.flatMap((number) => endings.flatMap((one) => withTemporary(dir, `${segmentName(number)}.${one}`)));
  };
  const swept = { base: base.dir, command: 'keep', args, groups, filesOf };
  const { places, ran } = await findPlaces(swept);
  for (const step of steps) expect(toldOf(ran.told, step)).toMatchObject({ outcome: 'acknowledged' });
  expect(toldOf(ran.told, 'made')?.made ?? []).toEqual(files);
  for (const group of groups) expect(places.filter((place) => place.group === group).length, group).toBeGreaterThan(1);
  const scenario = { base, swept, places };
  progress(`${name}: ${places.length} places`);
  await expectWhole(scenario, ran);
  scenarios.set(name, scenario);
  return scenario;
}

/** What the audit tree is in, at any of some sizes: files, and directories. */
function treeOf(sizes: readonly number[]): string[] {
  const names = new Set(['keeperlog.tree', 'keeperlog.key']);
  for (const size of sizes) {
    for (let level = 0; level < levelsOf(size); level++) {
      const hashes = hashesOnLevel(size, level);
      const widths = Array.from({ length: Math.ceil(hashes / TILE_WIDTH) }, (_, i) => hashes - i * TILE_WIDTH);
      for (const [index, width] of widths.entries()) {
        const file = tilePath(level, index, Math.min(width, TILE_WIDTH));
        for (let name = file; name !== '.'; name = path.dirname(name)) names.add(name);
      }
    }
  }
  return [...names];
}

/** What must hold afterwards: for who only reads, for who writes, and once all has been done after all. */
async function expectWhole({ base }: Scenario, { dir, told }: Ran): Promise<void> {
  const reader = await openStore({ dir, readOnly: true });
  await expectEvents(base, reader);
  await reader.close();

  const store = await openStore({ ...SMALL, dir });
  try {
    await expectLog(base, store);
    await expectAppended(base, store, told);
    await store.seal();
    await vi.waitFor(() => expectLog({ ...base, damaged: [] }, store), { timeout: 5000, interval: 20 });
    expect(await store.append(KEYED.stream, KEYED.events)).toMatchObject({ duplicate: true });
    const cold = await store.readStream(COLD.stream).toArray();
    expect(await store.append(COLD.stream, { type: 'Later' })).toMatchObject({ revision: cold.length });
    await expectProven(base, store);
  } finally {
    await store.close();
  }
  await expectTidy(dir, store.stats());
}

/** The same, and everything verifies. */
async function expectLog(base: Base, store: Store): Promise<void> {
  const { problems } = await store.verify({ deep: true });
  expect(problems.filter(({ file }) => !base.damaged.some((name) => file?.endsWith(name)))).toEqual([]);
  await expectEvents(base, store);
}

/** What was there is, and is found. */
async function expectEvents({ rows, digests }: Base, store: Store): Promise<void> {
  const found = (await store.read().toArray()) as RecordedEvent[];
  expect(found.slice(0, rows.length).map((row) => JSON.stringify(row))).toEqual(rows.map((row) => JSON.stringify(row)));
  const heads = new Map(found.map(({ stream, revision, sequence }) => [stream, { revision, sequence }]));
  for (const [stream, head] of heads) expect(await store.head(stream), stream).toMatchObject(head);
  for (const [sequence, digest] of digests) expect(await store.digest(sequence)).toBe(digest);
  expect(sequencesOf(await store.query({ where: ODD }).toArray())).toEqual(odd(rows));
}

/** What was acknowledged is there behind it, in its order, and what was not appended is not. */
async function expectAppended({ rows }: Base, store: Store, told: readonly Told[]): Promise<void> {
  const behind = await store.read(undefined, { after: rows.at(-1)!.sequence }).toArray();
  const ids = behind.filter(({ stream }) => !stream.startsWith('$')).map(({ id }) => id);
  const steps = APPENDS.map((step) => toldOf(told, step)).filter((one) => one?.duplicate !== true);
  const acknowledged = steps.flatMap((one) => (one?.outcome === 'acknowledged' ? one.ids! : []));
  const isKnown = !steps.some((one) => one?.outcome === 'unknown');
  expect(ids.filter((id) => acknowledged.includes(id))).toEqual(acknowledged);
  if (isKnown && toldOf(told, 'read') !== undefined) expect(ids.length).toBe(acknowledged.length);
}

/** What was signed before is continued by what is signed now. */
async function expectProven({ digests, checkpoint }: Base, store: Store): Promise<void> {
  const { publicKey, size } = await store.checkpoint();
  expect(size).toBe(store.stats().durable);
  await verifyProof(await store.proveConsistency(checkpoint.size), { keys: publicKey, checkpoint: checkpoint.text });
  for (const [sequence, digest] of digests) {
    await verifyProof(await store.prove(sequence), { keys: publicKey, digest });
  }
}

/** Everything full is sealed and indexed, heads are in a checkpoint, and nothing else is there. */
async function expectTidy(dir: string, { segments, durable }: StoreStats): Promise<void> {
  const names = fs.readdirSync(dir, { recursive: true, encoding: 'utf8' });
  expect(names.filter((name) => name.endsWith('.tmp'))).toEqual([]);
  for (let number = 1; number < segments; number++) {
    const own = names.filter((name) => name.startsWith(segmentName(number))).sort();
    expect(own).toEqual(['index', 'sealed'].map((ending) => `${segmentName(number)}.${ending}`));
  }
  const tables = await openTables(nodeStorage, dir);
  expect(tables.checkpoint?.header.sequence).toBe(durable);
  tables.close();
}

function odd(rows: readonly RecordedEvent[]): number[] {
  return sequencesOf(rows.filter(({ tags }) => tags?.includes('odd')));
}

function sequencesOf(rows: readonly { readonly sequence: number }[]): number[] {
  return rows.map(({ sequence }) => sequence);
}

/** What may come of a failing call: the opening is refused, or steps fail by it; what they return is right. */
function expectTold({ base }: Scenario, { told, error, dir }: Ran, place: CommandPlace<Group>, errno: string): void {
  if (error !== undefined) {
    expect(error).toMatchObject({ code: 'ERR_STORAGE', errno });
    expect(told).toEqual([]);
    return;
  }
  for (const { call, outcome, code, errno: found } of told) {
    if (outcome === 'acknowledged') continue;
    if (errno === 'ENOSPC' && code === 'ERR_DEGRADED') expect(outcome).toBe('not-appended');
    else expect({ call, code, errno: found }).toEqual({ call, code: 'ERR_STORAGE', errno });
    if (APPENDS.includes(call!)) expect(mayStop(place), `${call} at ${JSON.stringify(place)}`).toBe(true);
  }
  // What is begun is taken away, unless that is what has failed.
  const left = fs.readdirSync(dir).filter((name) => name.startsWith('segment-') && name.endsWith('.tmp'));
  expect(left.length).toBeLessThanOrEqual(place.call === 'unlink' ? 1 : 0);
  for (const step of ['seal', 'sign']) expectTriedAgain(told.filter(({ call }) => call === step));
  const { rows, sequences } = Object.assign({}, ...told) as Told;
  if (rows !== undefined) {
    const before = base.rows.map(({ stream, type }) => `${stream} ${type}`);
    expect(rows.slice(0, before.length)).toEqual(before);
  }
  if (sequences !== undefined) expect(sequences).toEqual(odd(base.rows));
  // An index is derived: without one it is answered all the same.
  if (place.group === 'index') expect(toldOf(told, 'query')).toMatchObject({ outcome: 'acknowledged' });
  for (const { sealed, made = [] } of told) {
    if (sealed === undefined) continue;
    const [full, indexes] = ['.sealed', '.index'].map((ending) => made.filter((name) => name.endsWith(ending)));
    expect(full).toHaveLength(FULL);
    // One is also missing whose name could not be made durable.
    expect(indexes!.length).toBeGreaterThanOrEqual(FULL - sealed.indexesMissing);
  }
}

/** The second time it works, unless a sync has failed, which is not asked again. */
function expectTriedAgain([first, second]: readonly Told[]): void {
  if (first?.code === undefined || second === undefined) return;
  const isSync = first.syscall === 'fsync' || first.syscall === 'fdatasync';
  const { code, syscall } = isSync ? first : { code: undefined, syscall: undefined };
  expect({ code: second.code, syscall: second.syscall }).toEqual({ code, syscall });
}

/** Whether an append may fail by it: one that needs a directory for the next segment, or a head that is in the checkpoint alone. */
function mayStop({ group, call }: CommandPlace<Group>): boolean {
  return group === 'directory' || (group === 'heads' && call === 'pread64');
}

describe.skipIf(skip)('kill -9 at a system call', () => {
  it.each(NAMES)(
    'of %s loses nothing, and is made up for by the next time',
    async (name) => {
      const scenario = await scenarioOf(name);
      const tried = effort(spread(scenario.places.filter(isSure), 1), scenario.places);
      const trials = tried.map((place) => ({ place, fault: 'signal=KILL' }));
      const kills = await tryAll(scenario.swept, trials, (ran) => expectWhole(scenario, ran));
      tally('processes', `kill -9 at a system call of ${name}, by strace`, kills);
    },
    TIMEOUT_MS,
  );
});

describe.skipIf(skip)('a system call that fails', () => {
  it.each(NAMES)(
    'during %s is told or done without, loses nothing, and is made up for by the next time',
    async (name) => {
      const scenario = await scenarioOf(name);
      let met = 0;
      for (const [i, errno] of ERRNOS.entries()) {
        const possible = scenario.places.filter(({ call }) => errno === 'EIO' || !TAKES_NO_SPACE.includes(call));
        const tried = effort(spread(possible.filter(isSure), 2).slice(i, i + 1), possible);
        const trials = tried.map((place) => ({ place, fault: `error=${errno}` }));
        met += await tryAll(scenario.swept, trials, async (ran, place) => {
          expectTold(scenario, ran, place, errno);
          await expectWhole(scenario, ran);
        });
      }
      tally('processes', `system calls of ${name} that failed (EIO, ENOSPC)`, met);
    },
    TIMEOUT_MS,
  );
});
