import { describe, expect, it } from 'vitest';
import { cannot, expectWhole, opened, orSkip, Program, segmentPath, temporaryDir } from './kit.js';

const skip = orSkip(cannot('strace'));
const event = { type: 'work.done', data: { pad: 'x'.repeat(20_000) } };

/** A program for whose system calls on a store's files the disk takes its time. */
function slow(dir: string, call: string, delayMs: number, when: string, segments = [1, 2, 3, 4]): Program {
  const paths = segments.flatMap((number) => ['-P', segmentPath(dir, number)]);
  const inject = `inject=${call}:delay_enter=${delayMs * 1000}:when=${when}`;
  return new Program({ strace: ['-o', '/dev/null', ...paths, '-e', `trace=${call}`, '-e', inject] });
}

describe.skipIf(skip)('a slow disk', () => {
  it('makes appends and closing slow, and nothing else', async () => {
    const dir = temporaryDir();
    const program = slow(dir, 'fdatasync', 100, '1+');
    await program.call('open', { dir, segmentBytes: 65536 });
    const ids = [];
    for (let n = 0; n < 10; n++) ids.push(...(await program.call('appendSync', { stream: 'a', events: event })).ids);
    const pending = program.call('append', { stream: 'a', events: event });
    await program.call('close');
    ids.push(...(await pending).ids);
    await program.kill();
    const store = await opened({ dir, segmentBytes: 65536 });
    expect(store.stats().recovery.clean).toBe(true);
    await expectWhole(store, [{ call: 'a', ids }]);
  });

  // A blocked caller takes a writer for dead that does not beat for five seconds outside of system calls.
  for (const [what, call, when, segments] of [
    ['a sync', 'fdatasync', '2', [1]],
    ['a write', 'pwritev', '2', [1]],
    ['the opening of the next segment', 'openat', '1', [2]],
  ] as const) {
    it(`is not taken for a dead writer by appendSync, however long ${what} takes`, async () => {
      const dir = temporaryDir();
      const program = slow(dir, call, 6500, when, [...segments]);
      await program.call('open', { dir, segmentBytes: 65536 });
      const ids = [];
      for (let n = 0; n < 5; n++) ids.push(...(await program.call('appendSync', { stream: 'a', events: event })).ids);
      await program.call('close');
      await program.kill();
      await expectWhole(await opened({ dir, segmentBytes: 65536 }), [{ call: 'a', ids }]);
    });
  }
});

describe.skipIf(skip)('a writer that is killed', () => {
  for (const [call, moments] of [
    ['fdatasync', [2, 3, 5, 9, 14]],
    ['pwritev', [1, 2, 4, 8, 13]],
    ['pwrite64', [1, 2, 5, 11, 17]],
    ['openat', [1, 2, 3, 5]],
  ] as const) {
    it(`keeps what was acknowledged, killed at a ${call} of its own`, async () => {
      const dir = temporaryDir();
      const acks = [];
      const numbers = Array.from({ length: 40 }, (_, index) => index + 1);
      const files = [dir, `${dir}/keeperlog.watermark`, ...numbers.map((number) => segmentPath(dir, number))];
      for (const when of moments) {
        const strace = ['-o', '/dev/null', ...files.flatMap((file) => ['-P', file]), '-e', `trace=${call}`];
        const program = new Program({ strace: [...strace, '-e', `inject=${call}:signal=KILL:when=${when}`] });
        await program.call('open', { dir, segmentBytes: 65536 }).catch(() => {});
        await program.call('load', { run: `${when}`, calls: 30, agents: 3, padBytes: 2000 }).catch(() => {});
        await program.kill();
        acks.push(...program.acks);
      }
      await expectWhole(await opened({ dir, segmentBytes: 65536 }), acks);
    });
  }
});
