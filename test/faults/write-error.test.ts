import fs from 'node:fs';
import { describe, expect, it } from 'vitest';
import { cannot, expectWhole, failure, opened, orSkip, Program, segmentPath, temporaryDir } from './kit.js';

const skip = orSkip(cannot('strace'));
const event = { type: 'work.done', data: { some: 'thing' } };

/** A program whose frames, in a store's first segment, go wrong. */
async function withFault(dir: string, ...inject: string[]): Promise<Program> {
  const strace = ['-o', '/dev/null', '-P', segmentPath(dir, 1), '-e', 'trace=pwritev,pwrite64,ftruncate,fdatasync'];
  const program = new Program({ strace: [...strace, ...inject.flatMap((one) => ['-e', `inject=${one}`])] });
  await program.call('open', { dir });
  return program;
}

/** Resolves when the writes of a store are no longer suspended. */
async function resumed(program: Program): Promise<void> {
  for (;;) {
    const { mode, durable, accepted } = await program.call('stats');
    // With the event that says so.
    if (mode === 'open' && durable === accepted) return;
    expect(mode).toMatch(/open|suspended/);
  }
}

describe.skipIf(skip)('a write of the log that fails', () => {
  it('is final with EIO: the pending append is unknown, later ones are not appended', async () => {
    const dir = temporaryDir();
    const program = await withFault(dir, 'pwritev:error=EIO:when=3');
    const { ids, error } = await program.call('appendUntilError', { stream: 'a', event, atMost: 10 });
    expect(ids).toHaveLength(2);
    expect(error).toMatchObject({ code: 'ERR_STORAGE', outcome: 'unknown', errno: 'EIO', syscall: 'write' });
    const later = { code: 'ERR_STORAGE', outcome: 'not-appended', errno: 'EIO' };
    expect(await failure(program.call('append', { stream: 'a', events: event }))).toMatchObject(later);
    expect(await program.call('read')).toHaveLength(2);
    await program.call('close');
    await program.kill();
    await expectWhole(await opened(dir), [{ call: 'a', ids }]);
  });

  for (const errno of ['ENOSPC', 'EDQUOT', 'EFBIG']) {
    it(`suspends with ${errno}, and goes on by itself when there is space again`, async () => {
      const dir = temporaryDir();
      // A frame fails, and then the first two looks whether there is space.
      const looks = `pwrite64:error=${errno}:when=1..2`;
      const program = await withFault(dir, `pwritev:error=${errno}:when=3`, looks);
      const { ids, error } = await program.call('appendUntilError', { stream: 'a', event, atMost: 10 });
      expect(ids.length).toBeGreaterThan(0);
      const degraded = { code: 'ERR_DEGRADED', outcome: 'not-appended', mode: 'suspended', retryable: true };
      expect(error).toMatchObject(degraded);
      expect(await failure(program.call('append', { stream: 'a', events: event }))).toMatchObject(degraded);
      expect(await failure(program.call('appendSync', { stream: 'a', events: event }))).toMatchObject(degraded);
      expect(await program.call('read')).toHaveLength(ids.length);
      expect(await program.call('stats')).toMatchObject({ mode: 'suspended', accepted: ids.length, pending: 0 });
      await resumed(program);
      const more = await program.call('append', { stream: 'a', events: event, options: { expect: ids.length - 1 } });
      await program.kill();
      await expectWhole(await opened(dir), [{ call: 'a', ids: [...ids, ...more.ids] }]);
    });
  }

  it('writes a frame alone where there is no space for the zeros behind it', async () => {
    const dir = temporaryDir();
    const program = await withFault(dir, 'pwritev:error=ENOSPC:when=1');
    const { ids } = await program.call('append', { stream: 'a', events: event });
    expect(fs.statSync(segmentPath(dir, 1)).size).toBeLessThan(1024);
    expect(await program.call('stats')).toMatchObject({ mode: 'open', durable: 1 });
    await program.kill();
    await expectWhole(await opened(dir), [{ call: 'a', ids }]);
  });

  it('counts a write that takes nothing as a full disk', async () => {
    const dir = temporaryDir();
    const program = await withFault(dir, 'pwritev:retval=0:when=2');
    const { ids, error } = await program.call('appendUntilError', { stream: 'a', event, atMost: 10 });
    expect(error).toMatchObject({ code: 'ERR_DEGRADED', outcome: 'not-appended' });
    await resumed(program);
    const more = await program.call('append', { stream: 'a', events: event });
    await program.kill();
    await expectWhole(await opened(dir), [{ call: 'a', ids: [...ids, ...more.ids] }]);
  });

  it('gives up all that is pending, as if it had never been: heads, keys and sequences, but not the clock', async () => {
    const dir = temporaryDir();
    const program = await withFault(dir, 'pwritev:error=ENOSPC:when=2');
    const first = await program.call('append', { stream: 'a', events: event });
    const keyed = { ...event, idempotencyKey: 'k' };
    const appends = [
      { stream: 'a', events: event, options: { expect: 0 } },
      { stream: 'b', events: [event, event], options: { expect: 'none' } },
      { stream: 'c', events: keyed },
      { stream: 'c', events: keyed },
    ];
    const before = Date.now();
    for (const { error } of await program.call('appendAll', { appends })) {
      expect(error).toMatchObject({ code: 'ERR_DEGRADED', outcome: 'not-appended' });
    }
    await resumed(program);
    const again = await program.call('appendAll', { appends });
    const appended = again.map((outcome: any) => outcome.appended);
    expect(appended).toMatchObject([{ revision: 1 }, { revision: 1 }, { duplicate: false }, { duplicate: true }]);
    const ids = appended.slice(0, 3).flatMap((one: any) => one.ids);
    await program.kill();
    const events = await expectWhole(await opened(dir), [{ call: 'a', ids: [...first.ids, ...ids] }]);
    const [, noted, next] = events;
    expect(noted).toMatchObject({ stream: '$store', type: 'WritesResumed' });
    // The timestamps of what was given up lie between.
    expect(Number(next!.timestampNs / 1_000_000n)).toBeGreaterThanOrEqual(before);
    expect(events).toHaveLength(1 + 1 + 4);
  });

  it('leaves a store that opens, killed while it is suspended', async () => {
    const dir = temporaryDir();
    const program = await withFault(dir, 'pwritev,pwrite64:error=ENOSPC:when=2+');
    const { ids } = await program.call('appendUntilError', { stream: 'a', event, atMost: 10 });
    await program.kill();
    const events = await expectWhole(await opened(dir), [{ call: 'a', ids }]);
    expect(events).toHaveLength(ids.length);
  });

  it('leaves a store that opens, closed while it is suspended', async () => {
    const dir = temporaryDir();
    const program = await withFault(dir, 'pwritev,pwrite64:error=ENOSPC:when=2+');
    const { ids } = await program.call('appendUntilError', { stream: 'a', event, atMost: 10 });
    await program.call('close');
    await program.kill();
    const events = await expectWhole(await opened(dir), [{ call: 'a', ids }]);
    expect(events).toHaveLength(ids.length);
  });

  it('is final where the partial bytes cannot be taken away', async () => {
    const dir = temporaryDir();
    const log = `${dir}.strace`;
    const strace = ['-o', log, '-P', segmentPath(dir, 1), '-e', 'trace=pwritev,ftruncate'];
    const inject = ['-e', 'inject=pwritev:error=ENOSPC:when=2', '-e', 'inject=ftruncate:error=EIO'];
    const program = new Program({ strace: [...strace, ...inject] });
    await program.call('open', { dir });
    const { ids, error } = await program.call('appendUntilError', { stream: 'a', event, atMost: 10 });
    expect(ids).toHaveLength(1);
    expect(error).toMatchObject({ code: 'ERR_STORAGE', outcome: 'unknown', errno: 'EIO', syscall: 'ftruncate' });
    await program.kill();
    await expectWhole(await opened(dir), [{ call: 'a', ids }]);
  });
});

describe('short writes', () => {
  it('are continued until everything is written', async () => {
    const dir = temporaryDir();
    const program = new Program({ fault: 'short-writes' });
    await program.call('open', { dir, segmentBytes: 65536 });
    await program.call('load', { run: 'short', calls: 30, padBytes: 2000 });
    await program.kill();
    await expectWhole(await opened(dir), program.acks);
  });

  it.skipIf(skip)('are continued by recovery where it writes the doubtful end again', async () => {
    const dir = temporaryDir();
    const killed = await withFault(dir, 'fdatasync:error=EIO:when=3');
    const { ids } = await killed.call('appendUntilError', { stream: 'a', event, atMost: 10 });
    await killed.kill();
    // The bytes are there already, so that a write which did nothing has really written them.
    const log = `${dir}.strace`;
    const strace = ['-o', log, '-P', segmentPath(dir, 1), '-e', 'trace=pwrite64'];
    const program = new Program({ strace: [...strace, '-e', 'inject=pwrite64:retval=10:when=1'] });
    const { rewrittenBytes } = await program.call('open', { dir });
    await program.kill();
    const writes = [...fs.readFileSync(log, 'utf8').matchAll(/, (\d+), (\d+)\) = (\d+)/g)].map(([, ...n]) =>
      n.map(Number),
    );
    const [[, start], [length, offset]] = writes as [number[], number[]];
    expect([length, offset]).toEqual([rewrittenBytes - 10, start! + 10]);
    await expectWhole(await opened(dir), [{ call: 'a', ids }]);
  });
});
