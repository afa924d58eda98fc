import { describe, expect, it } from 'vitest';
import type { Store } from '../../dist/main/index.js';
import { failure, opened, temporaryDir } from './kit.js';
import { expectKept, type Told } from './oracle.js';

/** A store of three calls, the record that belongs to it, and one of a call that was not appended. */
async function kept(): Promise<{ store: Store; told: Told[] }> {
  const store = await opened(temporaryDir());
  const told: Told[] = [{ call: 'refused', outcome: 'not-appended', code: 'ERR_DEGRADED' }];
  for (const call of ['first', 'second', 'third']) {
    const events = [0, 1].map((place) => ({ type: 'work.done', data: { call, place, size: 2 } }));
    const { ids } = await store.append('a', events);
    told.push({ call, outcome: 'acknowledged', ids });
  }
  return { store, told };
}

describe('the record of acknowledgements', () => {
  it('agrees with a store that has kept everything', async () => {
    const { store, told } = await kept();
    expect(await expectKept(store, told)).toHaveLength(6);
  });

  it('tells what is not as it was told', async () => {
    const { store, told } = await kept();
    for (const [what, doctored, message] of [
      ['an acknowledged event is missing', (t) => [...t, { ...t[3], ids: ['1_7_0'] }], /is not there/],
      ['the order is another', (t) => [t[0], t[2], t[1], t[3]], /out of order/],
      ['a call was acknowledged twice', (t) => [...t, t[3]], /or twice/],
      [
        'a call that was not appended is there',
        (t) => [t[0], t[1], t[2], { ...t[0], call: 'third' }],
        /was not appended/,
      ],
      [
        'an id that was shown names another event',
        (t) => [...t, { call: 'lost', shown: t[3].ids }],
        /names an event of third/,
      ],
      [
        'a batch is shorter than it was',
        (t) => [t[0], t[1], t[2], { ...t[3], ids: t[3].ids.slice(1) }],
        /deeply equal/,
      ],
    ] as [string, (told: any[]) => Told[], RegExp][]) {
      expect((await failure(expectKept(store, doctored(told)))).message, what).toMatch(message);
    }
  });

  it('tells where a call is there in part, or at the wrong places', async () => {
    for (const [places, message] of [
      [[0], /1 of 2/],
      [[1, 0], /place 1 stands where 0 belongs/],
    ] as const) {
      const { store, told } = await kept();
      const data = (place: number): object => ({ call: 'fourth', place, size: 2 });
      await store.append(
        'a',
        places.map((place) => ({ type: 'work.done', data: data(place) })),
      );
      expect((await failure(expectKept(store, told))).message).toMatch(message);
    }
  });
});
