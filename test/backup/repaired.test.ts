/** Stores that a repair has put together: holes, and frames that do not follow each other. */
import { beforeAll, describe, expect, it } from 'vitest';
import { restoreStoreOn } from '../../dist/main/restore.js';
import { openStoreOn } from '../../dist/main/store.js';
import { decodeManifest, encodeManifest } from '../../dist/shared/format/manifest.js';
import { replaceFile } from '../../dist/shared/storage.js';
import { backUp } from '../../dist/workers/backup/backup.js';
import type { Image } from '../crash/image.js';
import { InlineRuntime } from '../crash/inline-runtime.js';
import { MemoryDisk } from '../crash/memory-disk.js';
import { DIR, OPTIONS } from '../crash/session.js';
import {
  changed,
  contentOf,
  countOf,
  flippedAt,
  open,
  repair,
  segmentsOf,
  type Whole,
  wholeStore,
  withFiles,
} from '../repair/kit.js';
import { textOf } from './kit.js';

const BACKUP = '/volume/backup';
const RESTORED = '/volume/restored';

let whole: Whole;
beforeAll(async () => {
  whole = await wholeStore();
});

function flipped(image: Image, place: number, at: number): Image {
  const file = segmentsOf(image)[place]!;
  return withFiles(image, { [file]: flippedAt(contentOf(image, file), at, 0x5a) });
}

/** The end of what a segment holds. */
function endOf(content: Buffer): number {
  return content.findLastIndex((byte) => byte !== 0) + 1;
}

const DAMAGE: Readonly<Record<string, (image: Image) => Image>> = {
  'an event in the middle of a segment': (image) => flipped(image, 1, 900),
  'the header of the first frame of a segment': (image) => flipped(image, 1, 140),
  'the last events of a full segment, and the first ones of the next': (image) => {
    const [first, second] = segmentsOf(image);
    const [a, b] = [contentOf(image, first!), contentOf(image, second!)];
    return withFiles(image, {
      [first!]: changed(a, (bytes) => bytes.fill(7, endOf(a) - 3000, endOf(a))),
      [second!]: changed(b, (bytes) => bytes.fill(7, 192, 3000)),
    });
  },
  'a segment that is missing': (image) => withFiles(image, { [segmentsOf(image)[1]!]: undefined }),
  'the first segment': (image) => withFiles(image, { [segmentsOf(image)[0]!]: undefined }),
  'the last events of all': (image) => {
    const last = segmentsOf(image).findLast((file) => contentOf(image, file).some((byte) => byte !== 0))!;
    const content = contentOf(image, last);
    return withFiles(image, {
      [last]: changed(content, (bytes) => bytes.fill(7, endOf(content) - 900, endOf(content))),
    });
  },
};

describe('a store that was repaired', () => {
  it.each(Object.entries(DAMAGE))('of %s is backed up and restored with what was given up', async (_, damage) => {
    const disk = new MemoryDisk(damage(whole.image));
    const { lost } = await repair(disk);
    for (const step of ['as it is', 'gone on with', 'sealed', 'gone on with again']) {
      const store = await open(disk);
      if (step.startsWith('gone')) await store.append('after', { type: step });
      if (step === 'sealed') await store.seal();
      const report = await store.backup(BACKUP);
      const events = textOf(await store.read().toArray());
      const { durable } = store.stats();
      await store.close();
      expect(report.lastSequence).toBe(durable);
      const target = new MemoryDisk(disk.image());
      const runtime = new InlineRuntime(target);
      await restoreStoreOn(BACKUP, RESTORED, {}, runtime);
      const restored = await openStoreOn({ ...OPTIONS, dir: RESTORED }, runtime);
      expect(textOf(await restored.read().toArray()), step).toEqual(events);
      expect(restored.stats().holes).toEqual(lost);
      expect(await restored.verify({ deep: true })).toMatchObject({ ok: true, holes: lost });
      expect((await restored.append('after', { type: 'Restored' })).firstSequence).toBe(durable + 1);
      await restored.close();
    }
  });

  it('is not backed up over what its backup still has', async () => {
    const disk = new MemoryDisk(whole.image);
    const before = await open(disk);
    const { lastSequence } = await before.backup(BACKUP);
    await before.close();
    const image = disk.image();
    const [, second] = segmentsOf(image);
    const damaged = new MemoryDisk(withFiles(image, { [second!]: flippedAt(contentOf(image, second!), 900) }));
    expect(countOf((await repair(damaged)).lost)).toBe(1);
    const store = await open(damaged);
    await store.append('after', { type: 'Repaired' });
    await expect(store.backup(BACKUP)).rejects.toMatchObject({
      code: 'ERR_INVALID_OPTIONS',
      path: 'dir',
      message: expect.stringContaining('was repaired since the last backup'),
    });
    expect((await store.backup('/volume/other')).lastSequence).toBe(lastSequence + 1);
    await store.close();
    const runtime = new InlineRuntime(damaged);
    expect(await restoreStoreOn(BACKUP, RESTORED, {}, runtime)).toMatchObject({ lastSequence });
  });

  it('goes on being backed up where what was given up is in the backup as such', async () => {
    const disk = new MemoryDisk(flipped(whole.image, 1, 900));
    await repair(disk);
    const store = await open(disk);
    const first = await store.backup(BACKUP);
    await store.append('after', { type: 'Said' });
    const second = await store.backup(BACKUP);
    expect(second.reusedSegments).toBe(first.segments - 1);
    await store.close();
  });
});

describe('a store whose oldest segments are removed while it is backed up', () => {
  it.each([
    ['was, where its files are held open', 256],
    ['is then, where they are too many', 0],
  ])('is backed up as it %s', async (_, mostHeld) => {
    const disk = new MemoryDisk(whole.image);
    const [first] = segmentsOf(whole.image);
    const { manifest, number } = withoutFirst(whole.image);
    const onProgress = ({ segments }: { segments: number }): void => {
      // As retention does: the manifest says so, then the file goes.
      if (segments !== 0 || !disk.exists(`${DIR}/${first}`)) return;
      replaceFile(disk, DIR, 'keeperlog.manifest', [manifest]);
      disk.remove(`${DIR}/${first}`);
    };
    const job = { kind: 'backup', dir: DIR, to: BACKUP, durable: whole.events.size } as const;
    const { segments, lastSequence } = await backUp(disk, job, { pause() {}, onProgress, mostHeld });
    const expected = mostHeld === 0 ? number : number + 1;
    expect({ segments, lastSequence }).toEqual({ segments: expected, lastSequence: whole.events.size });
    expect(disk.exists(`${DIR}/${first}`)).toBe(false);
    const runtime = new InlineRuntime(disk);
    await restoreStoreOn(BACKUP, RESTORED, {}, runtime);
    const restored = await openStoreOn({ ...OPTIONS, dir: RESTORED, readOnly: true }, runtime);
    expect(await restored.verify()).toMatchObject({ ok: true, segments: expected });
    await restored.close();
  });

  it('is told of as damaged where nothing says that they were removed', async () => {
    const [, second] = segmentsOf(whole.image);
    const disk = new MemoryDisk(withFiles(whole.image, { [second!]: undefined }));
    const store = await open(disk, { readOnly: true });
    const failure = { code: 'ERR_CORRUPT', file: `${DIR}/${second}` };
    await expect(store.backup(BACKUP)).rejects.toMatchObject(failure);
    await store.close();
  });
});

/** A manifest that begins with the second segment, and how many there are then. */
function withoutFirst(image: Image): { manifest: Buffer; number: number } {
  const used = segmentsOf(image).filter((file) => contentOf(image, file).some((byte) => byte !== 0));
  const found = decodeManifest(contentOf(image, 'keeperlog.manifest'));
  if (found.kind !== 'valid') throw new Error(found.kind);
  const floor = Number(contentOf(image, used[1]!).readBigUInt64LE(32));
  return { manifest: encodeManifest({ ...found.manifest, firstSegment: 2, floor }), number: used.length - 1 };
}

describe('a reader that does not know of the last events', () => {
  it('backs up what the last backup has all the same', async () => {
    const disk = new MemoryDisk(whole.image);
    const store = await open(disk);
    await store.append('a', { type: 'Said' });
    const { lastSequence } = await store.backup(BACKUP);
    await store.close();
    // As after a power cut that took the watermark.
    const image = withFiles(disk.image(), { 'keeperlog.watermark': undefined });
    const reader = await open(new MemoryDisk(image), { readOnly: true });
    expect(reader.stats().durable).toBeLessThan(lastSequence);
    expect(await reader.backup(BACKUP)).toMatchObject({ number: 2, lastSequence, copiedSegments: 0 });
    await reader.close();
  });
});
