/** Taking ahead: the order, how far, and the end. */
import { expect, test } from 'vitest';
import { ahead } from '#dist/main/read/ahead.js';

/** Numbers from 1 on; tells which were asked for, and whether it was ended. */
function counting(upTo: number, failsAt = Number.NaN) {
  const log = { asked: 0, ended: false };
  async function* numbers(): AsyncGenerator<number, void, void> {
    try {
      for (let n = 1; n <= upTo; n++) {
        log.asked = n;
        await new Promise(setImmediate);
        if (n === failsAt) throw new Error(`no ${n}`);
        yield n;
      }
    } finally {
      log.ended = true;
    }
  }
  return { log, numbers: numbers() };
}

test('gives all of them, in their order, and takes no more ahead than it may', async () => {
  const { log, numbers } = counting(10);
  const seen: number[] = [];
  let most = 1;
  for await (const n of ahead(numbers, () => most)) {
    seen.push(n);
    if (n === 5) most = 3;
    // Nothing that was begun is waited for here: time for it to be.
    for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
    expect(log.asked).toBe(n <= 5 ? n : Math.min(10, n + 2));
  }
  expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  expect(log.ended).toBe(true);
});

test('gives what comes before a failure, which it raises in its place', async () => {
  const { log, numbers } = counting(10, 4);
  const seen: number[] = [];
  const reading = async (): Promise<void> => {
    for await (const n of ahead(numbers, () => 3)) seen.push(n);
  };
  await expect(reading()).rejects.toThrow('no 4');
  expect(seen).toEqual([1, 2, 3]);
  expect(log.ended).toBe(true);
});

test('where it is left, begins nothing more, and has ended what it takes from', async () => {
  const { log, numbers } = counting(10);
  for await (const n of ahead(numbers, () => 5)) if (n === 1) break;
  expect(log.ended).toBe(true);
  expect(log.asked).toBe(2);
});
