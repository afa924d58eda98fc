import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { openStore } from '../../dist/main/index.js';
import {
  cannot,
  expectWhole,
  failure,
  fingerprint,
  opened,
  orSkip,
  Program,
  segmentPath,
  temporaryDir,
} from './kit.js';
import { framesOf, put } from './layout.js';

const skip = orSkip(cannot('strace'));

/** What a killed writer leaves: some events, and where the log ends. */
async function killed(): Promise<{ dir: string; ids: string[]; end: number }> {
  const dir = temporaryDir();
  const program = new Program();
  await program.call('open', { dir, segmentBytes: 65536 });
  const { ids } = await program.call('appendUntilError', {
    stream: 'a',
    event: { type: 'counted', data: { pad: 'x'.repeat(500) } },
    atMost: 10,
  });
  await program.kill();
  return { dir, ids, end: (await framesOf(dir, 1)).at(-1)!.end };
}

function tornFiles(dir: string): string[] {
  return fs.readdirSync(dir).filter((name) => name.endsWith('.torn'));
}

describe('a torn tail', () => {
  it('of garbage is set aside, reported in the stats and recorded in the store', async () => {
    const { dir, ids, end } = await killed();
    const garbage = Buffer.from('what a power cut leaves behind');
    put(segmentPath(dir, 1), end + 40, garbage);
    const store = await opened({ dir, segmentBytes: 65536 });
    const { recovery } = store.stats();
    expect(recovery).toMatchObject({
      clean: false,
      tornBytes: 40 + garbage.length,
      tornFile: expect.stringMatching(/torn$/),
    });
    const aside = fs.readFileSync(path.join(dir, recovery.tornFile!));
    expect(aside.subarray(40).equals(garbage)).toBe(true);
    await store.flush();
    const events = await expectWhole(store, [{ call: 'a', ids }]);
    expect(events.at(-1)).toMatchObject({
      stream: '$store',
      type: 'TornTailSetAside',
      data: { bytes: recovery.tornBytes, file: recovery.tornFile },
    });
  });

  it('of half a frame is set aside, and the log goes on in its place', async () => {
    const { dir, ids, end } = await killed();
    const [first] = await framesOf(dir, 1);
    const bytes = fs.readFileSync(segmentPath(dir, 1)).subarray(first!.offset, first!.end);
    put(segmentPath(dir, 1), end, bytes.subarray(0, bytes.length / 2));
    const store = await opened({ dir, segmentBytes: 65536 });
    await store.flush();
    const more = await store.append('a', { type: 'after' });
    await expectWhole(store, [{ call: 'a', ids: [...ids, ...more.ids] }]);
    expect(tornFiles(dir)).toHaveLength(1);
  });

  it('is reported after a clean end as well', async () => {
    const dir = temporaryDir();
    const before = await openStore({ dir, segmentBytes: 65536, sealing: 'on-demand' });
    const { ids } = await before.append('a', { type: 'first' });
    await before.close();
    put(segmentPath(dir, 1), (await framesOf(dir, 1))[0]!.end + 8, Buffer.from('damage'));
    const store = await opened({ dir, segmentBytes: 65536 });
    await store.flush();
    expect(store.stats().recovery).toMatchObject({ clean: true, tornBytes: 14 });
    const events = await expectWhole(store, [{ call: 'a', ids }]);
    expect(events.at(-1)).toMatchObject({ stream: '$store', type: 'TornTailSetAside' });
  });

  it('is left alone by a read-only opener, who reads what is durable', async () => {
    const { dir, ids, end } = await killed();
    put(segmentPath(dir, 1), end, Buffer.from('garbage'));
    const before = fingerprint(dir);
    const store = await opened({ dir, readOnly: true });
    const read = (await store.read().toArray()).map(({ id }) => id);
    // The killed writer may have acknowledged the last one and not noted it in the watermark yet.
    expect(read.length).toBeGreaterThanOrEqual(ids.length - 1);
    expect(read).toEqual(ids.slice(0, read.length));
    expect(fingerprint(dir)).toEqual(before);
  });
});

describe.skipIf(skip)('recovery that is killed', () => {
  const CALLS = ['openat', 'pwrite64', 'fdatasync', 'fsync', 'rename', 'ftruncate'] as const;

  for (const call of CALLS) {
    it(`comes to the same end, at each ${call} of a store's files`, async () => {
      const { dir, ids, end } = await killed();
      const frames = await framesOf(dir, 1);
      put(
        segmentPath(dir, 1),
        end,
        fs.readFileSync(segmentPath(dir, 1)).subarray(frames[0]!.offset, frames[0]!.end - 8),
      );
      // The watermark is as old as it may be, so that recovery has frames to write again.
      fs.rmSync(path.join(dir, 'keeperlog.watermark'));
      const files = ['', '/keeperlog.manifest.tmp', '/keeperlog.watermark', '/keeperlog.watermark.tmp'];
      const paths = [...files.map((name) => dir + name), segmentPath(dir, 1), segmentPath(dir, 2)];
      const torn = path.join(dir, 'segment-0000000001.1.torn.tmp');
      const filter = [...paths, torn].flatMap((file) => ['-P', file]);
      let kills = 0;
      for (let when = 1; when <= 4; when++) {
        const inject = `inject=${call}:signal=KILL:when=${when}`;
        const program = new Program({ strace: ['-o', '/dev/null', ...filter, '-e', `trace=${call}`, '-e', inject] });
        const outcome = await program.call('open', { dir, segmentBytes: 65536 }).catch((error) => error);
        if (outcome instanceof Error) kills++;
        await program.kill();
      }
      expect(kills).toBeGreaterThan(0);
      const store = await opened({ dir, segmentBytes: 65536 });
      await expectWhole(store, [{ call: 'a', ids }]);
      expect(tornFiles(dir)).toHaveLength(1);
    });
  }

  it('is refused while the log cannot be read, and nothing is truncated', async () => {
    const { dir, ids } = await killed();
    const before = fingerprint(dir);
    for (const file of [
      segmentPath(dir, 1),
      path.join(dir, 'keeperlog.watermark'),
      path.join(dir, 'keeperlog.manifest'),
    ]) {
      const strace = ['-o', '/dev/null', '-P', file, '-e', 'trace=pread64', '-e', 'inject=pread64:error=EIO'];
      const program = new Program({ strace });
      const error = await failure(program.call('open', { dir }));
      expect(error).toMatchObject({ code: 'ERR_STORAGE', errno: 'EIO', syscall: 'read' });
      await program.kill();
      expect(fingerprint(dir)).toEqual(before);
    }
    await expectWhole(await opened(dir), [{ call: 'a', ids }]);
  });

  it('is refused where the system cannot tell whether a file is there', async () => {
    const { dir, ids } = await killed();
    const before = fingerprint(dir);
    for (const name of ['keeperlog.watermark', 'keeperlog.manifest']) {
      const calls = 'access,faccessat,faccessat2,stat,statx,newfstatat';
      const strace = ['-o', '/dev/null', '-P', path.join(dir, name), '-e', `trace=${calls}`];
      const program = new Program({ strace: [...strace, '-e', `inject=${calls}:error=EIO`] });
      expect(await failure(program.call('open', { dir }))).toMatchObject({ code: 'ERR_STORAGE', errno: 'EIO' });
      await program.kill();
      expect(fingerprint(dir)).toEqual(before);
    }
    await expectWhole(await opened(dir), [{ call: 'a', ids }]);
  });
});
