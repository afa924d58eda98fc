import { expect, it } from 'vitest';
import { crashStates } from './crash-states.js';
import { NORMAL } from './fates.js';
import { checkRecovery } from './recovered.js';
import { Session } from './session.js';

it.each(['space-for-half', 'space-for-frame'] as const)(
  'what was refused for lack of space is not there after a power cut, whatever of it was written: %s',
  async (space) => {
    const session = new Session();
    await session.open();
    // The first frame of a segment: zeros go out with it.
    await session.refuseAppending(space, 'a', 2000);
    const { base, journal } = session.disk;
    expect(journal.at(-1)?.kind).toBe('note');
    for (const { image, note } of crashStates(base, journal, NORMAL, { from: journal.length })) {
      await checkRecovery(image, note);
    }
  },
);
