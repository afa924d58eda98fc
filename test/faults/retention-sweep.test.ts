/** Faults at every system call of retention: the process is killed there, or the call fails. */
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { openStore, type RecordedEvent } from '../../dist/main/index.js';
import { effort, progress, TIMEOUT_MS, tally } from '../support/effort.js';
import { cannot, orSkip, Program, temporaryDir } from './kit.js';
import { type CommandPlace, findPlaces, runAt, type Swept, withTemporary } from './places.js';
import { spread } from './sweep.js';

const skip = orSkip(cannot('strace'));

const SMALL = { segmentBytes: 65_536, compression: 'none', sealing: 'on-demand' } as const;
const RETAINING = { ...SMALL, retention: { maxBytes: 131_072 } };
const KEYED = [{ type: 'A', data: 1, idempotencyKey: 'first' }, { type: 'B' }];
const EVENTS = 60;
const GROUPS = ['base', 'manifest', 'directory', 'sealed'] as const;
/** Files by what they are to retention. */
type Group = (typeof GROUPS)[number];

let base: string;
let floor: number;
let first: RecordedEvent[];
let places: CommandPlace<Group>[];

function filesOf(dir: string, group: Group): string[] {
  if (group === 'directory') return [dir];
  if (group === 'manifest') return withTemporary(dir, 'keeperlog.manifest');
  if (group === 'base') return withTemporary(dir, `keeperlog.${floor}.base`);
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

function swept(): Swept<Group> {
  return { base, command: 'retain', args: RETAINING, groups: GROUPS, filesOf };
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
  const found = await findPlaces(swept());
  expect(found.ran.said).toMatchObject({ floor });
  ({ places } = found);
  for (const group of GROUPS) {
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
        const { dir, hit } = await runAt(swept(), place, 'signal=KILL');
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
        const { dir, hit, said, error } = await runAt(swept(), place, `error=${errno}`);
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
