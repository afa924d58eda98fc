/** Faults at every system call of retention: the process is killed there, or the call fails. */
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { openStore, type RecordedEvent } from '../../dist/main/index.js';
import { effort, progress, TIMEOUT_MS, tally } from '../support/effort.js';
import { cannot, orSkip, Program, type ToldError, temporaryDir } from './kit.js';
import { spread } from './sweep.js';

const skip = orSkip(cannot('strace'));

const SMALL = { segmentBytes: 65_536, compression: 'none', sealing: 'on-demand' } as const;
const RETAINING = { ...SMALL, retention: { maxBytes: 131_072 } };
const KEYED = [{ type: 'A', data: 1, idempotencyKey: 'first' }, { type: 'B' }];
const EVENTS = 60;
const CALLS = ['openat', 'pread64', 'pwrite64', 'pwritev', 'fdatasync', 'fsync', 'rename', 'unlink'] as const;

/** Files by what they are to retention. */
type Group = 'base' | 'manifest' | 'directory' | 'sealed';
interface Place {
  readonly group: Group;
  readonly call: (typeof CALLS)[number];
  /** Counted by thread. */
  readonly when: number;
}

let base: string;
let floor: number;
let first: RecordedEvent[];
let places: Place[];

function filesOf(dir: string, group: Group): string[] {
  const own = (name: string): string[] => [name, `${name}.tmp`].map((file) => path.join(dir, file));
  if (group === 'directory') return [dir];
  if (group === 'manifest') return own('keeperlog.manifest');
  if (group === 'base') return own(`keeperlog.${floor}.base`);
  return fs.readdirSync(base).flatMap((name) => (name.endsWith('.sealed') ? [path.join(dir, name)] : []));
}

/** A store whose segments are all sealed and audited: a retention has nothing else to do. */
async function makeStore(): Promise<string> {
  const dir = temporaryDir();
  const store = await openStore({ ...SMALL, dir });
  await store.append('gone', KEYED);
  for (let i = 0; i < EVENTS - KEYED.length; i++)
    await store.append(`s${i % 3}`, { type: 'X', data: 'x'.repeat(5000) });
  await store.seal();
  await store.checkpoint();
  first = await store.readStream('gone').toArray();
  await store.close();
  return dir;
}

function copy(): string {
  const dir = temporaryDir();
  fs.cpSync(base, dir, { recursive: true });
  return dir;
}

/** Every place at which retention can be met, found by a run without a fault. */
async function findPlaces(): Promise<Place[]> {
  const dir = copy();
  const log = `${dir}.strace`;
  const groups = ['base', 'manifest', 'directory', 'sealed'] as const;
  const paths = groups.flatMap((group) => filesOf(dir, group)).flatMap((file) => ['-P', file]);
  const program = new Program({ strace: ['-y', '-o', log, ...paths, '-e', `trace=${CALLS.join(',')}`] });
  expect(await program.call('retain', { ...RETAINING, dir })).toMatchObject({ floor });
  await program.kill();
  const counts = new Map<string, number>();
  const most = new Map<string, number>();
  for (const line of fs.readFileSync(log, 'utf8').split('\n')) {
    const [, thread, call] = /^(\d+) +(\w+)\(/.exec(line) ?? [];
    const group = groups.find((kind) =>
      filesOf(dir, kind).some((file) => line.includes(`<${file}>`) || line.includes(`"${file}"`)),
    );
    if (thread === undefined || group === undefined) continue;
    const count = (counts.get(`${thread} ${group} ${call}`) ?? 0) + 1;
    counts.set(`${thread} ${group} ${call}`, count);
    most.set(`${group} ${call}`, Math.max(count, most.get(`${group} ${call}`) ?? 0));
  }
  return [...most].flatMap(([key, count]) => {
    const [group, call] = key.split(' ') as [Group, Place['call']];
    return Array.from({ length: count }, (_, i) => ({ group, call, when: i + 1 }));
  });
}

/** Let retention run with a fault at one place; what the program said, or the error that it had. */
async function runWith(
  place: Place,
  fault: string,
): Promise<{ dir: string; hit: boolean; said: any; error?: ToldError }> {
  const dir = copy();
  const log = `${dir}.strace`;
  const paths = filesOf(dir, place.group).flatMap((file) => ['-P', file]);
  const inject = ['-e', `trace=${place.call}`, '-e', `inject=${place.call}:${fault}:when=${place.when}`];
  const program = new Program({ strace: ['-y', '-o', log, ...paths, ...inject] });
  const [said, error] = await program.call('retain', { ...RETAINING, dir }).then(
    (result) => [result, undefined],
    (failed: ToldError) => [undefined, failed],
  );
  await program.kill();
  const hit = error?.message.includes('SIGKILL') === true || fs.readFileSync(log, 'utf8').includes('(INJECTED)');
  return { dir, hit, said, ...(error !== undefined && { error }) };
}

/** The log begins at the start or at the floor; everything from there on is there, and so is what must be known of the rest. */
async function expectWhole(dir: string): Promise<void> {
  const store = await openStore({ ...SMALL, dir });
  try {
    const { floor: found } = store.stats();
    expect([1, floor]).toContain(found);
    const rows = await store.read().toArray();
    expect(rows[0]!.sequence).toBe(found);
    expect(rows.length).toBeGreaterThanOrEqual(EVENTS + 1 - found);
    expect((await store.verify({ deep: true })).problems).toEqual([]);
    expect(await store.append('gone', KEYED)).toMatchObject({ ids: first.map(({ id }) => id), duplicate: true });
    expect(await store.append('gone', { type: 'C' }, { expect: 1 })).toMatchObject({ revision: 2 });
    await store.prove(first[0]!.id);
    const files = fs.readdirSync(dir);
    expect(files.filter((name) => name.endsWith('.base'))).toEqual(found === 1 ? [] : [`keeperlog.${floor}.base`]);
    expect(files.filter((name) => name.endsWith('.sealed')).length).toBe(store.stats().segments - 1);
  } finally {
    await store.close();
  }
  fs.rmSync(dir, { recursive: true });
}

async function prepare(): Promise<void> {
  base = await makeStore();
  const program = new Program();
  ({ floor } = await program.call('retain', { ...RETAINING, dir: copy() }));
  await program.kill();
  expect(floor).toBeGreaterThan(20);
  places = await findPlaces();
  for (const group of ['base', 'manifest', 'directory', 'sealed']) {
    expect(places.filter((place) => place.group === group).length, group).toBeGreaterThan(3);
  }
}

describe.skipIf(skip)('retention', () => {
  it(
    'that is killed at any of its system calls keeps what is left, and what must be known of the rest',
    async () => {
      await prepare();
      let kills = 0;
      const tried = effort(spread(places, 12), places);
      for (const place of tried) {
        const { dir, hit } = await runWith(place, 'signal=KILL');
        if (hit) kills++;
        progress(`kill -9 at ${JSON.stringify(place)}: ${hit}`);
        await expectWhole(dir);
      }
      expect(kills).toBeGreaterThanOrEqual(tried.length * 0.8);
      tally('processes', 'kill -9 at a system call of retention, by strace', kills);
    },
    TIMEOUT_MS,
  );

  it.each(['EIO', 'ENOSPC'])(
    'of which a call fails with %s refuses the opening, says so, or goes on; appends go on, and nothing is lost',
    async (errno) => {
      await prepare();
      let met = 0;
      const tried = effort(spread(places, 8), places);
      for (const place of tried) {
        const { dir, hit, said, error } = await runWith(place, `error=${errno}`);
        if (hit) met++;
        progress(`${errno} at ${JSON.stringify(place)}: ${error?.message ?? said.lines[0].msg}`);
        if (error === undefined) {
          const left = Array.from({ length: EVENTS + 2 - said.floor }, (_, i) => said.floor + i);
          expect(said).toMatchObject({ rows: left, ids: [expect.any(String)] });
        } else {
          expect(error).toMatchObject({ code: 'ERR_STORAGE', errno });
        }
        await expectWhole(dir);
      }
      expect(met).toBeGreaterThanOrEqual(tried.length * 0.8);
      tally('processes', 'system calls of retention that failed (EIO, ENOSPC)', met);
    },
    TIMEOUT_MS,
  );
});
