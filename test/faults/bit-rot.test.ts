import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { openStore, type Store } from '../../dist/main/index.js';
import { expectWhole, failure, fingerprint, opened, segmentPath, segmentsOf, temporaryDir } from './kit.js';
import { type FrameAt, flip, framesOf, manifestOf, put } from './layout.js';

const pad = 'x'.repeat(2000);

interface Damaged {
  readonly dir: string;
  readonly ids: string[];
  /** The newest segment in use, and its frames. */
  readonly newest: number;
  readonly frames: FrameAt[];
}

/** A store of some segments, a frame an event, as it lies on the disk after its end or after a kill. */
async function stored(end: 'closed' | 'killed', events = 80): Promise<Damaged> {
  const dir = temporaryDir();
  const at = end === 'closed' ? dir : temporaryDir();
  const store = await openStore({ dir: at, segmentBytes: 65536, sealing: 'on-demand' });
  const ids: string[] = [];
  for (let n = 0; n < events; n++) ids.push(...(await store.append('a', { type: 'counted', data: { n, pad } })).ids);
  // The watermark, by which damage is told from a torn tail, is written right behind the acknowledgement.
  const reader = await openStore({ dir: at, readOnly: true });
  while ((await reader.head())?.sequence !== events) await new Promise(setImmediate);
  await reader.close();
  // The directory while it is open is what a kill leaves behind.
  if (end === 'killed') copyStore(at, dir);
  await store.close();
  // The last file is made ahead, or is not there yet.
  const last = segmentsOf(dir).length;
  const newest = (await framesOf(dir, last)).length > 0 ? last : last - 1;
  return { dir, ids, newest, frames: await framesOf(dir, newest) };
}

function copyStore(from: string, to: string): void {
  for (const name of fs.readdirSync(from)) {
    // What is only being written may be gone a moment later.
    if (name !== 'keeperlog.lock' && !name.endsWith('.tmp'))
      fs.copyFileSync(path.join(from, name), path.join(to, name));
  }
}

/** Opening for writing fails with ERR_CORRUPT and leaves every byte as it is. */
async function expectRefused(dir: string): Promise<Record<string, any>> {
  const before = fingerprint(dir);
  const error = await failure(opened({ dir, segmentBytes: 65536 }));
  expect(error).toMatchObject({ code: 'ERR_CORRUPT', retryable: false });
  expect(fingerprint(dir)).toEqual(before);
  return error;
}

/** Reading gives what is before a range and what is behind it, and fails in the range rather than skip it. */
async function expectGap(dir: string, total: number, first: number, last: number): Promise<void> {
  const store = await opened({ dir, readOnly: true });
  const seen: number[] = [];
  const reading = (async () => {
    for await (const { sequence } of store.read()) seen.push(sequence);
  })();
  expect(await failure(reading)).toMatchObject({ code: 'ERR_CORRUPT' });
  expect(seen).toEqual(Array.from({ length: seen.length }, (_, index) => index + 1));
  expect(seen.length).toBeLessThan(first);
  for (let sequence = 1; sequence <= total; sequence++) {
    if (sequence < first || sequence > last) expect((await store.get(sequence))?.data.n).toBe(sequence - 1);
    else expect(await failure(store.get(sequence))).toMatchObject({ code: 'ERR_CORRUPT' });
  }
  if (last < total) {
    const after = await store.read({}, { after: last }).toArray();
    expect(after.map(({ sequence }) => sequence)).toEqual(
      Array.from({ length: total - last }, (_, index) => last + 1 + index),
    );
  }
  const report = await store.verify({ deep: true });
  expect(report.ok).toBe(false);
  const [problem] = report.problems;
  expect(problem).toMatchObject({ code: 'ERR_CORRUPT', firstSequence: first });
  expect(problem!.offset).toBeGreaterThan(0);
  await store.close();
}

describe('damage to durable bytes of the newest segment', () => {
  for (const end of ['closed', 'killed'] as const) {
    for (const [where, place, inFrame] of [
      ['the body of a frame in the middle', 5, 100],
      ['the header of a frame in the middle', 5, 20],
      ['the body of the last frame', -1, 100],
      ['the header of the last frame', -1, 4],
    ] as const) {
      it(`is refused, named and never skipped: ${where} of a ${end} store`, async () => {
        const { dir, ids, newest, frames } = await stored(end);
        const frame = frames.at(place)!;
        flip(segmentPath(dir, newest), frame.offset + inFrame);
        const error = await expectRefused(dir);
        expect(error).toMatchObject({
          file: segmentPath(dir, newest),
          offset: frame.offset,
          firstSequence: frame.firstSequence,
          lastSequence: ids.length,
        });
        await expectGap(dir, ids.length, frame.firstSequence, frame.lastSequence);
      });
    }

    it(`is refused where the end of a ${end} store is gone`, async () => {
      const { dir, newest, frames } = await stored(end);
      fs.truncateSync(segmentPath(dir, newest), frames.at(-3)!.offset + 50);
      const error = await expectRefused(dir);
      expect(error.firstSequence).toBe(frames.at(-3)!.firstSequence);
    });

    it(`is refused where the header of the newest segment of a ${end} store is hit`, async () => {
      const { dir, newest } = await stored(end);
      flip(segmentPath(dir, newest), 40);
      await expectRefused(dir);
    });

    it(`is refused where the newest segment of a ${end} store is missing`, async () => {
      const { dir, newest } = await stored(end);
      fs.rmSync(segmentPath(dir, newest));
      fs.rmSync(segmentPath(dir, newest + 1), { force: true });
      await expectRefused(dir);
    });
  }

  it('is refused where a block is as it was earlier', async () => {
    const { dir, newest, frames } = await stored('killed');
    const { offset } = frames.at(-2)!;
    // Before the frame came there were zeros.
    put(segmentPath(dir, newest), offset - (offset % 512), Buffer.alloc(512));
    await expectRefused(dir);
  });

  it('is refused, and found by verify, where a whole frame is one that a later one has replaced', async () => {
    const { dir, ids, newest, frames } = await stored('killed', 70);
    const fork = temporaryDir();
    copyStore(dir, fork);
    // Both go on from here, each by itself, with frames of the same size.
    for (const [at, count] of [
      [dir, 3],
      [fork, 1],
    ] as const) {
      const store = await openStore({ dir: at, segmentBytes: 65536, sealing: 'on-demand' });
      for (let n = 0; n < count; n++) await store.append('a', { type: 'counted', data: { n: ids.length + n, pad } });
      await store.close();
    }
    const [replaced] = (await framesOf(fork, newest)).slice(frames.length);
    expect((await framesOf(dir, newest))[frames.length]).toEqual(replaced);
    const bytes = fs.readFileSync(segmentPath(fork, newest)).subarray(replaced!.offset, replaced!.end);
    put(segmentPath(dir, newest), replaced!.offset, bytes);
    await expectRefused(dir);
    const store = await opened({ dir, readOnly: true });
    expect((await store.verify()).problems[0]).toMatchObject({ code: 'ERR_CORRUPT', offset: replaced!.end });
    const { firstSequence } = replaced!;
    const range = { code: 'ERR_CORRUPT', firstSequence, lastSequence: firstSequence };
    expect(await failure(store.get(firstSequence))).toMatchObject(range);
    expect(await failure(store.read({}, { from: firstSequence }).toArray())).toMatchObject(range);
    expect(await store.read({}, { to: firstSequence - 1 }).toArray()).toHaveLength(firstSequence - 1);
  });

  it('is refused where a frame is that of another store', async () => {
    const one = await stored('killed');
    const other = await stored('killed');
    const frame = one.frames.at(3)!;
    const bytes = fs.readFileSync(segmentPath(other.dir, other.newest)).subarray(frame.offset, frame.end);
    put(segmentPath(one.dir, one.newest), frame.offset, bytes);
    await expectRefused(one.dir);
    await expectGap(one.dir, one.ids.length, frame.firstSequence, frame.lastSequence);
  });
});

describe('segments that are not where they belong', () => {
  it('are refused: one of another store', async () => {
    const [one, other] = [await stored('closed'), await stored('closed')];
    fs.copyFileSync(segmentPath(other.dir, 2), segmentPath(one.dir, 2));
    await expectRefused(one.dir);
  });

  it('are refused: one in the middle missing', async () => {
    const { dir } = await stored('closed');
    fs.rmSync(segmentPath(dir, 2));
    await expectRefused(dir);
  });

  it('are refused: one twice, under another number', async () => {
    const { dir, newest } = await stored('closed');
    fs.copyFileSync(segmentPath(dir, 1), segmentPath(dir, newest + 1));
    await expectRefused(dir);
  });

  it('are refused at once: one twice, under a number that is far away', async () => {
    const { dir } = await stored('closed');
    fs.copyFileSync(segmentPath(dir, 1), segmentPath(dir, 9_999_999_999));
    await expectRefused(dir);
  });

  it('are refused: the header in the middle hit', async () => {
    const { dir } = await stored('closed');
    flip(segmentPath(dir, 2), 64);
    await expectRefused(dir);
  });
});

describe('damage in a segment that is full', () => {
  it('is met by the read that touches it, and by verify', async () => {
    const { dir, ids } = await stored('closed');
    const [, , frame] = await framesOf(dir, 2);
    flip(segmentPath(dir, 2), frame!.offset + 200);
    await expectGap(dir, ids.length, frame!.firstSequence, frame!.lastSequence);
    const store = await opened({ dir, segmentBytes: 65536 });
    expect(await failure(store.get(frame!.firstSequence))).toMatchObject({ code: 'ERR_CORRUPT' });
  });

  it('refuses the opening, and nothing is changed, where heads and keys are to be learnt from it', async () => {
    const { dir } = await stored('closed');
    const [, , frame] = await framesOf(dir, 2);
    flip(segmentPath(dir, 2), frame!.offset + 200);
    fs.rmSync(path.join(dir, 'keeperlog.heads'));
    const error = await expectRefused(dir);
    expect(error).toMatchObject({ file: segmentPath(dir, 2), firstSequence: frame!.firstSequence });
  });
});

describe('damage that comes while the store is open', () => {
  /** Events in batches of fifty, none of them in memory. */
  async function filled(): Promise<{ store: Store; damage: (sequence: number) => Promise<void> }> {
    const store = await opened({ dir: temporaryDir(), cacheBytes: 0 });
    const { dir } = store.stats();
    for (let n = 0; n < 3000; n += 50) {
      const events = Array.from({ length: 50 }, (_, i) => ({
        type: 'counted',
        data: { n: n + i, pad: 'x'.repeat(300) },
      }));
      await store.append(`s${(n / 50) % 3}`, events);
    }
    const damage = async (sequence: number): Promise<void> => {
      const frames = await framesOf(dir, 1);
      const { offset, firstSequence } = frames.find(({ lastSequence }) => lastSequence >= sequence)!;
      const bytes = fs.readFileSync(segmentPath(dir, 1));
      let at = offset + 64;
      for (let next = firstSequence; next < sequence; next++) at += bytes.readUInt32LE(at);
      put(segmentPath(dir, 1), at + 200, Buffer.from([bytes[at + 200]! ^ 0xff]));
    };
    return { store, damage };
  }

  it('is met by get, where the records around were read before', async () => {
    const { store, damage } = await filled();
    for (let sequence = 1; sequence <= 3000; sequence++) expect((await store.get(sequence))?.data.n).toBe(sequence - 1);
    await damage(140);
    expect(await failure(store.get(140))).toMatchObject({
      code: 'ERR_CORRUPT',
      file: segmentPath(store.stats().dir, 1),
    });
    for (const sequence of [1, 100, 151, 3000]) expect((await store.get(sequence))?.data.n).toBe(sequence - 1);
  });

  it('is met by a read of its stream, where the index is there already', async () => {
    const { store, damage } = await filled();
    expect(await store.readStream('s2').toArray()).toHaveLength(1000);
    await damage(140);
    const error = await failure(store.readStream('s2').toArray());
    expect(error).toMatchObject({ code: 'ERR_CORRUPT', firstSequence: 140, lastSequence: 140 });
    expect(await store.readStream('s1').toArray()).toHaveLength(1000);
    const rest = await store.readStream('s2', { fromRevision: 50 }).toArray();
    expect(rest.map(({ revision }) => revision)).toEqual(Array.from({ length: 950 }, (_, i) => i + 50));
  });
});

describe('damage beside the log', () => {
  it('is refused in the manifest', async () => {
    const { dir } = await stored('closed');
    flip(path.join(dir, 'keeperlog.manifest'), 30);
    await expectRefused(dir);
    fs.rmSync(path.join(dir, 'keeperlog.manifest'));
    await expectRefused(dir);
  });

  for (const end of ['closed', 'killed'] as const) {
    for (const [slots, offsets] of [
      ['either slot', [8]],
      ['the other slot', [520]],
      ['both slots', [8, 520]],
    ] as const) {
      it(`costs nothing in the watermark of a ${end} store: ${slots}`, async () => {
        const { dir, ids } = await stored(end);
        for (const offset of offsets) flip(path.join(dir, 'keeperlog.watermark'), offset);
        const events = await expectWhole(await opened(dir), [{ call: 'a', ids }]);
        expect(events).toHaveLength(ids.length);
      });
    }

    it(`costs nothing where the watermark of a ${end} store is gone`, async () => {
      const { dir, ids } = await stored(end);
      fs.rmSync(path.join(dir, 'keeperlog.watermark'));
      await expectWhole(await opened(dir), [{ call: 'a', ids }]);
    });
  }

  it('does not move the epoch backwards', async () => {
    const { dir } = await stored('closed');
    const { epoch } = manifestOf(dir);
    await (await openStore({ dir, sealing: 'on-demand' })).close();
    expect(manifestOf(dir).epoch).toBe(epoch + 1);
  });
});
