import fs from 'node:fs';
import { describe, expect, it } from 'vitest';
import { cannot, expectWhole, failure, opened, orSkip, Program, segmentPath, temporaryDir } from './kit.js';

const skip = orSkip(cannot('strace'));

/** A program whose syncs of a store's first segment are told in a log and fail, from the n-th on or only then. */
async function withSyncError(dir: string, when: string, errno = 'EIO'): Promise<{ program: Program; log: string }> {
  const log = `${dir}.strace`;
  const strace = ['-o', log, '-P', segmentPath(dir, 1), '-e', 'trace=fdatasync,fsync,pwrite64,pwritev'];
  const program = new Program({ strace: [...strace, '-e', `inject=fdatasync:error=${errno}:when=${when}`] });
  await program.call('open', { dir });
  return { program, log };
}

const event = { type: 'work.done', data: { some: 'thing' } };

describe.skipIf(skip)('a sync of the log that fails', () => {
  const WHEN = '3';

  for (const errno of ['EIO', 'ENOSPC']) {
    it(`is final with ${errno}: the pending append is unknown, later ones are not appended`, async () => {
      const dir = temporaryDir();
      const { program } = await withSyncError(dir, WHEN, errno);
      const { ids, error } = await program.call('appendUntilError', { stream: 'a', event, atMost: 10 });
      expect(ids).toHaveLength(2);
      expect(error).toMatchObject({ code: 'ERR_STORAGE', outcome: 'unknown', errno, syscall: 'fdatasync' });
      const later = { code: 'ERR_STORAGE', outcome: 'not-appended', errno };
      expect(await failure(program.call('append', { stream: 'a', events: event }))).toMatchObject(later);
      expect(await failure(program.call('appendSync', { stream: 'a', events: event }))).toMatchObject(later);
      expect(await program.call('stats')).toMatchObject({ mode: 'failed', durable: 2, pending: 0 });
    });
  }

  it('is never tried again, not even by closing', async () => {
    const dir = temporaryDir();
    const { program, log } = await withSyncError(dir, WHEN);
    await program.call('appendUntilError', { stream: 'a', event, atMost: 10 });
    await failure(program.call('append', { stream: 'a', events: event }));
    await program.call('close');
    await program.kill();
    const calls = fs
      .readFileSync(log, 'utf8')
      .split('\n')
      .filter((line) => /\b(fdatasync|fsync|pwrite\w*)\(/.test(line));
    const failed = calls.findIndex((line) => line.includes('EIO'));
    expect(failed).toBeGreaterThan(0);
    expect(calls.slice(failed + 1)).toEqual([]);
  });

  it('fails everything that waits behind it, and nothing that was durable before', async () => {
    const dir = temporaryDir();
    const { program } = await withSyncError(dir, '2+');
    const first = await program.call('append', { stream: 'a', events: event });
    const appends = Array.from({ length: 50 }, (_, n) => ({ stream: `s${n}`, events: event }));
    const outcomes: any[] = await program.call('appendAll', { appends });
    for (const { error } of outcomes) expect(error).toMatchObject({ code: 'ERR_STORAGE', outcome: 'unknown' });
    const events = await program.call('read');
    expect(events.map(({ id }: any) => id)).toEqual(first.ids);
    expect(await program.call('verify')).toMatchObject({ ok: true, events: 1 });
  });

  it('throws from a blocked appendSync', async () => {
    const dir = temporaryDir();
    const { program } = await withSyncError(dir, '1+');
    const error = await failure(program.call('appendSync', { stream: 'a', events: event }));
    expect(error).toMatchObject({ code: 'ERR_STORAGE', outcome: 'unknown', errno: 'EIO' });
  });

  it('is recovered by closing and opening: the doubtful frame is written again and synced', async () => {
    const dir = temporaryDir();
    const { program } = await withSyncError(dir, WHEN);
    const { ids } = await program.call('appendUntilError', { stream: 'a', event, atMost: 10 });
    await program.call('close');
    await program.kill();
    const log = `${dir}.strace`;
    const strace = ['-o', log, '-P', segmentPath(dir, 1), '-e', 'trace=fdatasync,pwrite64'];
    const again = new Program({ strace });
    const recovery = await again.call('open', { dir });
    expect(recovery).toMatchObject({ clean: false, tornBytes: 0 });
    expect(recovery.rewrittenBytes).toBeGreaterThan(0);
    await again.kill();
    const calls = fs
      .readFileSync(log, 'utf8')
      .split('\n')
      .map((line) => /(pwrite64|fdatasync)\(/.exec(line)?.[1]);
    expect(calls.filter(Boolean).slice(0, 2)).toEqual(['pwrite64', 'fdatasync']);
    const store = await opened(dir);
    const events = await expectWhole(store, [{ call: 'a', ids }]);
    // The event whose outcome was unknown may be there, once.
    expect(events.length).toBeLessThanOrEqual(ids.length + 1);
  });

  it('refuses to open while recovery cannot sync, and opens once it can', async () => {
    const dir = temporaryDir();
    const { program } = await withSyncError(dir, WHEN);
    const { ids } = await program.call('appendUntilError', { stream: 'a', event, atMost: 10 });
    await program.kill();
    const strace = ['-o', '/dev/null', '-P', segmentPath(dir, 1), '-e', 'trace=fdatasync'];
    const again = new Program({ strace: [...strace, '-e', 'inject=fdatasync:error=EIO'] });
    expect(await failure(again.call('open', { dir }))).toMatchObject({ code: 'ERR_STORAGE', errno: 'EIO' });
    await again.kill();
    await expectWhole(await opened(dir), [{ call: 'a', ids }]);
  });
});
