import { describe, expect, it } from 'vitest';
import { expectWhole, failure, opened, Program, temporaryDir } from './kit.js';

const event = { type: 'work.done', data: { some: 'thing' } };

describe('a writer thread that dies', () => {
  // The one that fails while it has nothing to do may do so before the append that meets it.
  for (const [fault, why, outcome] of [
    ['writer-exits-writing', /ended/, /^unknown$/],
    ['writer-exits-syncing', /ended/, /^unknown$/],
    ['writer-throws', /a mistake in the program/, /^(unknown|not-appended)$/],
    ['writer-out-of-memory', /memory/, /^unknown$/],
  ] as const) {
    it(`fails what is pending and says why, and is recovered by opening again (${fault})`, async () => {
      const dir = temporaryDir();
      const program = new Program({ fault, nodeArgs: ['--max-old-space-size=80'] });
      await program.call('open', { dir });
      const { ids, error } = await program.call('appendUntilError', { stream: 'a', event, atMost: 100 });
      expect(error).toMatchObject({ code: 'ERR_STORAGE', outcome: expect.stringMatching(outcome) });
      expect(error.message).toMatch(why);
      const later = await failure(program.call('append', { stream: 'a', events: event }));
      expect(later).toMatchObject({ code: 'ERR_STORAGE', outcome: 'not-appended' });
      expect(await program.call('stats')).toMatchObject({ mode: 'failed', pending: 0 });
      expect((await program.call('read')).map(({ id }: any) => id)).toEqual(ids);
      await program.call('close');
      await program.call('open', { dir });
      await program.kill();
      await expectWhole(await opened(dir), [{ call: 'a', ids }]);
    });

    it(`is noticed by a blocked appendSync, which throws (${fault})`, async () => {
      const dir = temporaryDir();
      const program = new Program({ fault, nodeArgs: ['--max-old-space-size=80'] });
      await program.call('open', { dir });
      const outcomes = [];
      for (let n = 0; n < 10; n++) {
        const result = await program.call('appendSync', { stream: 'a', events: event }).catch((error) => error);
        outcomes.push(result);
        if (result instanceof Error) break;
      }
      expect(outcomes.at(-1)).toMatchObject({ code: 'ERR_STORAGE', outcome: expect.stringMatching(outcome) });
      await program.call('close');
      await program.kill();
      await expectWhole(await opened(dir), [{ call: 'a', ids: outcomes.slice(0, -1).flatMap(({ ids }) => ids) }]);
    });
  }

  it('is noticed where it dies while the store is being opened', async () => {
    const dir = temporaryDir();
    const before = new Program();
    await before.call('open', { dir });
    const { ids } = await before.call('appendUntilError', { stream: 'a', event, atMost: 10 });
    await before.kill();
    const program = new Program({ fault: 'writer-exits-opened' });
    const error = await failure(
      program.call('open', { dir }).then(() => program.call('append', { stream: 'a', events: event })),
    );
    expect(error).toMatchObject({ code: 'ERR_STORAGE' });
    await program.kill();
    await expectWhole(await opened(dir), [{ call: 'a', ids }]);
  });

  it('lets close resolve at once where it is dead already', async () => {
    const dir = temporaryDir();
    const program = new Program({ fault: 'writer-exits-writing' });
    await program.call('open', { dir });
    const { ids } = await program.call('appendUntilError', { stream: 'a', event, atMost: 100 });
    await program.call('close');
    await program.kill();
    await expectWhole(await opened(dir), [{ call: 'a', ids }]);
  });
});

describe('a background thread that dies', () => {
  it('does not stop the log: rotation, appends and closing go on', async () => {
    const dir = temporaryDir();
    const program = new Program({ fault: 'background-exits' });
    await program.call('open', { dir, segmentBytes: 65536 });
    await program.call('load', { run: 'alone', calls: 100 });
    await program.call('close');
    await program.kill();
    await expectWhole(await opened({ dir, segmentBytes: 65536 }), program.acks);
  });
});
