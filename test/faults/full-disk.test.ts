import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { fill, smallDisk, storeWithoutNames, takeInodes } from './disk.js';
import { cannot, expectWhole, failure, opened, orSkip, Program, segmentsOf, temporaryDir } from './kit.js';

const skip = orSkip(cannot('root', 'mount', 'prlimit'));
const MiB = 1024 * 1024;

async function mode(program: Program, wanted: string): Promise<void> {
  for (;;) {
    const stats = await program.call('stats');
    if (stats.mode === wanted && stats.pending === 0) return;
    expect(stats.mode).toMatch(/open|suspended/);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const event = { type: 'work.done', data: { pad: 'x'.repeat(10_000) } };
const degraded = { code: 'ERR_DEGRADED', outcome: 'not-appended', mode: 'suspended' };

describe.skipIf(skip)('a full disk', () => {
  for (const segmentBytes of [65_536, 2 * MiB]) {
    it(`suspends writes, keeps reads, and goes on when there is space (segments of ${segmentBytes})`, async () => {
      const disk = smallDisk('size=16m');
      const dir = path.join(disk, 'store');
      const program = new Program();
      await program.call('open', { dir, segmentBytes });
      const giveBack = fill(disk, 3 * MiB);
      const { ids, error } = await program.call('appendUntilError', { stream: 'a', event, atMost: 5000 });
      expect(error).toMatchObject(degraded);
      expect(await program.call('read')).toHaveLength(ids.length);
      giveBack();
      await mode(program, 'open');
      const more = await program.call('append', { stream: 'a', events: event, options: { expect: ids.length - 1 } });
      await program.call('close');
      await program.kill();
      const events = await expectWhole(await opened(dir), [{ call: 'a', ids: [...ids, ...more.ids] }]);
      expect(events.filter(({ stream }) => stream === 'a')).toHaveLength(ids.length + 1);
    });
  }

  it('leaves a store that keeps everything, killed while it is full', async () => {
    const disk = smallDisk('size=16m');
    const dir = path.join(disk, 'store');
    const program = new Program();
    await program.call('open', { dir, segmentBytes: 65_536 });
    const giveBack = fill(disk, 3 * MiB);
    const { ids } = await program.call('appendUntilError', { stream: 'a', event, atMost: 5000 });
    await program.kill();
    const read = await opened({ dir, readOnly: true });
    expect(await read.read().toArray()).toHaveLength(ids.length);
    await read.close();
    giveBack();
    const events = await expectWhole(await opened({ dir, segmentBytes: 65_536 }), [{ call: 'a', ids }]);
    expect(events).toHaveLength(ids.length);
  });

  it('goes on in the old segment where there is no name for a new one', async () => {
    const { dir, program, giveBack } = await storeWithoutNames(event);
    const { ids, error } = await program.call('appendUntilError', { stream: 'b', event, atMost: 100 });
    expect(error).toBeUndefined();
    expect(segmentsOf(dir).length).toBeLessThan(4);
    giveBack();
    // It looks again after a while.
    while (segmentsOf(dir).length < 10) {
      const more = await program.call('appendUntilError', { stream: 'c', event, atMost: 50 });
      expect(more.error).toBeUndefined();
      ids.push(...more.ids);
    }
    await program.kill();
    await expectWhole(await opened(dir), [{ call: 'b', ids }]);
  });

  it('leaves a store that opens, killed at any time after a rotation without a name', async () => {
    const disk = smallDisk('size=64m,nr_inodes=60');
    const dir = path.join(disk, 'store');
    const ids: string[] = [];
    for (let round = 0; round < 4; round++) {
      const program = new Program();
      await program.call('open', { dir, segmentBytes: 65_536 });
      const giveBack = takeInodes(disk, round);
      ids.push(...(await program.call('appendUntilError', { stream: 'a', event, atMost: 30 })).ids);
      giveBack();
      ids.push(...(await program.call('appendUntilError', { stream: 'a', event, atMost: 1 + round * 10 })).ids);
      await program.kill();
    }
    await expectWhole(await opened(dir), [{ call: 'a', ids }]);
  });

  it('is met by a file that may not grow as well (EFBIG), after a short write', async () => {
    const dir = temporaryDir();
    const program = new Program();
    await program.call('open', { dir, segmentBytes: 100 * MiB });
    const pid = String(await program.pid);
    execFileSync('prlimit', ['--pid', pid, `--fsize=${5 * MiB + 1000}:unlimited`]);
    const { ids, error } = await program.call('appendUntilError', { stream: 'a', event, atMost: 2000 });
    expect(error).toMatchObject(degraded);
    expect(error.message).toContain('EFBIG');
    expect(await program.call('read')).toHaveLength(ids.length);
    execFileSync('prlimit', ['--pid', pid, '--fsize=unlimited:unlimited']);
    await mode(program, 'open');
    const more = await program.call('append', { stream: 'a', events: event, options: { expect: ids.length - 1 } });
    await program.kill();
    await expectWhole(await opened(dir), [{ call: 'a', ids: [...ids, ...more.ids] }]);
  });

  it('opens a new store where there is no space to prepare a segment', async () => {
    const disk = smallDisk('size=1m');
    const store = await opened(path.join(disk, 'store'));
    const { ids } = await store.append('a', { type: 'small' });
    await expectWhole(store, [{ call: 'a', ids }]);
  });

  it('refuses to open without space for a manifest, and changes nothing', async () => {
    const disk = smallDisk('size=8m');
    const dir = path.join(disk, 'store');
    const store = await opened({ dir, segmentBytes: 65_536 });
    const { ids } = await store.append('a', event);
    await store.close();
    const giveBack = fill(disk, 0);
    expect(await failure(opened(dir))).toMatchObject({ code: 'ERR_STORAGE', errno: 'ENOSPC' });
    giveBack();
    await expectWhole(await opened(dir), [{ call: 'a', ids }]);
  });
});
