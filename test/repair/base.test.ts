/** A log whose beginning retention has removed, and what becomes of it when it, or its base, is damaged. */
import { beforeAll, describe, expect, it } from 'vitest';
import { crashStates } from '../crash/crash-states.js';
import { LIGHT } from '../crash/fates.js';
import type { Image } from '../crash/image.js';
import { MemoryDisk } from '../crash/memory-disk.js';
import { RETAINING } from '../crash/retention.js';
import { Session } from '../crash/session.js';
import { tally } from '../support/effort.js';
import { contentOf, countOf, filesOf, flippedAt, open, repair, withFiles } from './kit.js';

const KiB = 1024;
const HEADS = 'keeperlog.heads';
const KEYED = { type: 'Happened', data: 1, idempotencyKey: 'once' };

let image: Image;
let base: string;
let floor: number;
let durable: number;

/** Streams of which nothing is left, one of which a little is, and one with a key; the newest segment is not sealed. */
beforeAll(async () => {
  const session = new Session('at-once', undefined, (disk) => disk, { ...RETAINING, sealing: 'background' });
  await session.open();
  const { store } = session;
  for (let i = 0; i < 300; i++) await store.append(`gone-${i}`, [{ type: 'A' }, { type: 'B' }]);
  await store.append('keyed', KEYED);
  for (let i = 0; i < 9; i++) await store.append('left', { type: 'C', data: 'x'.repeat(29 * KiB) });
  await session.retained();
  ({ floor, durable } = store.stats());
  expect(floor).toBeGreaterThan(601);
  await session.close();
  image = session.disk.image();
  base = `keeperlog.${floor}.base`;
  expect(filesOf(image)).toContain(base);
});

function damaged(...files: [name: string, at: number][]): Image {
  return withFiles(image, Object.fromEntries(files.map(([name, at]) => [name, flippedAt(contentOf(image, name), at)])));
}

/** What must be known of the events that are gone, however the base was made. */
async function expectGoesOn(disk: MemoryDisk<any>): Promise<void> {
  const store = await open(disk);
  for (let i = 0; i < 300; i += 7) {
    await expect(store.append(`gone-${i}`, { type: 'C' }, { expect: 'none' })).rejects.toMatchObject({ actual: 1 });
    await store.append(`gone-${i}`, { type: 'C' }, { expect: 1 });
  }
  expect((await store.append('keyed', { type: 'D' }, { expect: 0 })).revision).toBe(1);
  expect((await store.verify({ deep: true })).problems).toEqual([]);
  await store.close();
}

/** The segments that are left, oldest first. */
function segments(): string[] {
  return filesOf(image).filter((name) => /^segment-.*(log|sealed)$/.test(name));
}

describe('a log whose beginning is gone', () => {
  it('is left as it is, byte for byte, without damage', async () => {
    const disk = new MemoryDisk<any>(image);
    expect(await repair(disk)).toMatchObject({ damaged: false, repaired: false, lost: [], unrepaired: [] });
    expect(disk.journal).toEqual([]);
  });

  it('is repaired behind its floor, and what is below it is not called lost', async () => {
    const disk = new MemoryDisk<any>(damaged([segments()[0]!, 10 * KiB]));
    const report = await repair(disk);
    expect(report).toMatchObject({ damaged: true, repaired: true, unrepaired: [] });
    expect(countOf(report.lost)).toBe(2); // of one block of the sealed segment
    expect(report.lost[0]!.firstSequence).toBeGreaterThanOrEqual(floor);
    await expectGoesOn(disk);
    const store = await open(disk);
    expect(await store.append('keyed', KEYED)).toMatchObject({ duplicate: true });
    await store.close();
  });
});

describe('a log with holes', () => {
  it('loses its beginning as any other, holes included', async () => {
    const disk = new MemoryDisk<any>(damaged([segments()[0]!, 10 * KiB]));
    const { lost } = await repair(disk);
    const hole = lost[0]!.lastSequence;
    const session = new Session('at-once', disk, (inner) => inner, { ...RETAINING, sealing: 'background' });
    await session.openAsItIs();
    const { store } = session;
    expect(store.stats().holes).toEqual(lost);
    for (let i = 0; i < 9; i++) await store.append('left', { type: 'C', data: 'x'.repeat(29 * KiB) });
    await session.retained();
    expect(store.stats().floor).toBeGreaterThan(hole);
    expect(store.stats().holes).toEqual([]);
    await store.prove(hole);
    await session.close();
    await expectGoesOn(new MemoryDisk<any>(withFiles(disk.image(), { [HEADS]: undefined })));
  });
});

describe('a base that does not verify', () => {
  const places = (): [string, number][] => [
    [base, 30],
    [base, 5 * KiB],
    [base, contentOf(image, base).length - 4000],
  ];

  it('is made anew of the checkpoint: streams go on with their revisions, what keys got is forgotten', async () => {
    for (const [name, at] of places()) {
      const disk = new MemoryDisk<any>(damaged([name, at]));
      await expect(open(disk)).rejects.toMatchObject({ code: 'ERR_CORRUPT' });
      expect(await repair(disk, { dryRun: true })).toMatchObject({ damaged: true, repaired: false, kept: [] });
      const report = await repair(disk);
      expect(report).toMatchObject({ damaged: true, repaired: true, lost: [], unrepaired: [] });
      expect(report.rewritten.map((file) => file.split('/').at(-1))).toEqual([base]);
      expect(report.kept).toHaveLength(1);
      expect(await repair(new MemoryDisk<any>(disk.image()))).toMatchObject({ damaged: false });
      await expectGoesOn(disk);
      const store = await open(disk);
      await expect(store.append('keyed', KEYED)).rejects.toMatchObject({ code: 'ERR_IDEMPOTENCY_REUSED' });
      await store.close();
    }
  });

  it('and that is missing, as well; the checkpoint is not needed any more then', async () => {
    const disk = new MemoryDisk<any>(withFiles(image, { [base]: undefined }));
    expect(await repair(disk)).toMatchObject({ repaired: true, kept: [], unrepaired: [] });
    await expectGoesOn(new MemoryDisk<any>(withFiles(disk.image(), { [HEADS]: undefined })));
  });

  it('is made anew beside damage of the log', async () => {
    const disk = new MemoryDisk<any>(damaged([base, 5 * KiB], [segments()[0]!, 10 * KiB]));
    const report = await repair(disk);
    expect(report).toMatchObject({ repaired: true, unrepaired: [] });
    expect(report.rewritten).toHaveLength(2);
    expect(countOf(report.lost)).toBe(2); // of one block of the sealed segment
    await expectGoesOn(disk);
  });

  it('stays as it is where no checkpoint has what it had, and says so', async () => {
    for (const heads of [
      undefined,
      flippedAt(contentOf(image, HEADS), 5 * KiB),
      flippedAt(contentOf(image, HEADS), 30),
    ]) {
      const disk = new MemoryDisk<any>(withFiles(damaged([base, 5 * KiB]), { [HEADS]: heads }));
      const report = await repair(disk);
      expect(report).toMatchObject({ damaged: true, repaired: false, rewritten: [], lost: [] });
      expect(report.unrepaired.map((file) => file.split('/').at(-1))).toEqual([base]);
      expect(disk.journal).toEqual([]);
      await expect(open(disk)).rejects.toMatchObject({ code: 'ERR_CORRUPT' });
      const reader = await open(disk, { readOnly: true });
      expect(await reader.read().toArray()).toHaveLength(durable + 1 - floor);
      await reader.close();
    }
  });

  it('is made anew by a repair that was cut off at any step, and repeated', async () => {
    const start = damaged([base, 5 * KiB]);
    const disk = new MemoryDisk<any>(start);
    await repair(disk);
    let states = 0;
    for (const state of crashStates(start, disk.journal, LIGHT)) {
      const cut = new MemoryDisk<any>(state.image);
      expect(await repair(cut)).toMatchObject({ lost: [], unrepaired: [] });
      await expectGoesOn(cut);
      states++;
    }
    expect(states).toBeGreaterThan(10);
    tally('crash states', 'distinct states of repairs of a base', states);
  });
});
