/** Which segments are due, by the arithmetic alone: clocks, leases and timers that move as they are told. */
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { PruneProgress } from '../../dist/main/prune-types.js';
import type { Segment } from '../../dist/main/read/catalog.js';
import { LEASE_MS, Leases } from '../../dist/main/read/leases.js';
import { Retention, type RetentionParts } from '../../dist/main/retention.js';
import { corrupt } from '../../dist/shared/damage.js';
import type { RetentionOptions } from '../../dist/shared/options.js';
import { storageError } from '../../dist/shared/storage.js';

const NOW = 1_700_000_000_000;
const HOUR = 3_600_000;

/** Ten segments of 10 events and 100 bytes; the newest event of segment n is as many hours old as there are behind it. */
function log(limits: RetentionOptions, options: { sealed?: number; durable?: number } = {}) {
  const sealed = options.sealed ?? 9;
  const at = (number: number): Segment =>
    ({
      number,
      firstSequence: (number - 1) * 10 + 1,
      previousTimestampNs: BigInt(NOW - (10 - (number - 1)) * HOUR) * 1_000_000n,
    }) as Segment;
  let segments = Array.from({ length: 10 }, (_, i) => at(i + 1));
  let monotonicMs = 0;
  const leases = new Leases(() => monotonicMs);
  const gone: number[][] = [];
  const told: string[] = [];
  const failures: unknown[] = [];
  const clock = { wall: NOW, newest: NOW - 1000 };
  const retention = new Retention({
    limits,
    catalog: {
      get segments() {
        return segments;
      },
      sealedUpTo: () => sealed * 10,
      isRaw: ({ number }: Segment) => number > sealed,
      start: { leases },
    },
    pruning: {
      async prune(due: readonly Segment[]): Promise<PruneProgress> {
        if (failures.length > 0) throw failures.shift();
        const numbers = due.map(({ number }) => number);
        gone.push(numbers);
        segments = segments.filter(({ number }) => !numbers.includes(number));
        return { floor: segments[0]!.firstSequence, segments: due.length, bytes: 0 };
      },
      decideAnew() {},
      close() {},
    },
    seal: async () => {},
    bytesOf: () => 100,
    activeBytes: () => 50,
    durable: () => options.durable ?? 95,
    clock: {
      wallMs: () => clock.wall,
      get seconds() {
        return Math.floor(clock.newest / 1000);
      },
    },
    onPruned: () => told.push('pruned'),
    onFailure: (error: unknown) => told.push((error as Error).message),
    onClockDoubted: (aheadMs: number) => told.push(`doubted ${aheadMs}`),
  } as unknown as RetentionParts);
  vi.useFakeTimers();
  onTestFinished(async () => {
    await retention.close();
    vi.useRealTimers();
  });
  const look = async (): Promise<void> => {
    retention.soon();
    await vi.advanceTimersByTimeAsync(0);
  };
  return {
    retention,
    leases,
    gone,
    told,
    clock,
    look,
    failNext: (error: Error) => failures.push(error),
    /** Time goes by, on all clocks. */
    async pass(ms: number) {
      monotonicMs += ms;
      clock.wall += ms;
      await vi.advanceTimersByTimeAsync(ms);
    },
  };
}

describe('bytes', () => {
  test('of all segments count, the one that is written among them; no more goes than has to', async () => {
    for (const [maxBytes, gone] of [
      [950, []],
      [949, [[1]]],
      [850, [[1]]],
      [849, [[1, 2]]],
      [50, [[1, 2, 3, 4, 5, 6, 7, 8, 9]]],
      [1, [[1, 2, 3, 4, 5, 6, 7, 8, 9]]],
    ] as const) {
      const { gone: found, look } = log({ maxBytes });
      await look();
      expect(found, `${maxBytes} bytes`).toEqual(gone);
    }
  });

  test('are no reason for what is not sealed, nor for what is behind it', async () => {
    const { gone, look } = log({ maxBytes: 1 }, { sealed: 3 });
    await look();
    expect(gone).toEqual([[1, 2, 3]]);
  });
});

test('the newest event stays where the segment behind its own has none yet', async () => {
  const { gone, look } = log({ maxBytes: 1 }, { durable: 90 });
  await look();
  expect(gone).toEqual([[1, 2, 3, 4, 5, 6, 7, 8]]);
});

describe('age', () => {
  test('is that of the newest event of a segment', async () => {
    for (const [maxAgeMs, gone] of [
      [9 * HOUR, []],
      [9 * HOUR - 1, [[1]]],
      [7 * HOUR, [[1, 2]]],
      [1000, [[1, 2, 3, 4, 5, 6, 7, 8, 9]]],
    ] as const) {
      const { gone: found, look } = log({ maxAgeMs });
      await look();
      expect(found, `${maxAgeMs} ms`).toEqual(gone);
    }
  });

  test('or bytes: whichever asks for more', async () => {
    const { gone, look } = log({ maxAgeMs: 7 * HOUR, maxBytes: 650 });
    await look();
    expect(gone).toEqual([[1, 2, 3]]);
  });

  test('comes by itself: a timer looks when the next segment is old enough', async () => {
    const { gone, look, pass } = log({ maxAgeMs: 9 * HOUR + 5000 });
    await look();
    expect(gone).toEqual([]);
    await pass(4999);
    expect(gone).toEqual([]);
    await pass(2);
    expect(gone).toEqual([[1]]);
    for (let i = 0; i < 7; i++) await pass(600_000);
    expect(gone).toEqual([[1], [2]]);
  });

  test('is not looked at after a jump of the clock, which is told of once; bytes are', async () => {
    const { gone, told, look, retention, clock } = log({ maxAgeMs: 1000, maxBytes: 850 });
    clock.wall += 24 * HOUR;
    retention.suspendAge();
    await look();
    await look();
    expect(gone).toEqual([[1]]);
    expect(told).toEqual([expect.stringMatching(/^doubted -/), 'pruned']);
  });

  test('is not looked at while the newest event is ahead of the clock by more than an hour', async () => {
    const { gone, told, look, clock } = log({ maxAgeMs: 2 * HOUR });
    clock.newest = NOW + HOUR + 1000;
    await look();
    await look();
    expect(gone).toEqual([]);
    expect(told).toEqual([`doubted ${HOUR + 1000}`]);
    clock.wall += 2000;
    await look();
    expect(gone).toEqual([[1, 2, 3, 4, 5, 6, 7, 8]]);
  });
});

describe('a lease', () => {
  test('holds its segment and what is behind it, until it ends or has gone by', async () => {
    const { gone, look, leases } = log({ maxBytes: 1 });
    const lease = leases.take(25);
    const other = leases.take(60);
    await look();
    expect(gone).toEqual([[1, 2]]);
    lease.moveTo(30);
    await vi.advanceTimersByTimeAsync(0);
    expect(gone).toEqual([[1, 2]]);
    lease.moveTo(31);
    await vi.advanceTimersByTimeAsync(0);
    expect(gone).toEqual([[1, 2], [3]]);
    lease.end();
    await vi.advanceTimersByTimeAsync(0);
    expect(gone).toEqual([[1, 2], [3], [4, 5]]);
    other.end();
    await vi.advanceTimersByTimeAsync(0);
    expect(gone.at(-1)).toEqual([6, 7, 8, 9]);
  });

  test('whose reader does not go on is lost after a while; a reader that does keeps it', async () => {
    const { gone, look, leases, pass } = log({ maxBytes: 1 });
    leases.take(1);
    const reader = leases.take(21);
    await look();
    await pass(LEASE_MS - 1);
    reader.moveTo();
    expect(gone).toEqual([]);
    await pass(LEASE_MS - 1);
    expect(gone).toEqual([[1, 2]]);
  });

  test('that begins as another one ends does not hold for ever: a moment between the two is enough', async () => {
    const { gone, look, leases } = log({ maxBytes: 849 });
    const first = leases.take(1);
    await look();
    first.end();
    const second = leases.take(1);
    await vi.advanceTimersByTimeAsync(0);
    expect(gone).toEqual([[1, 2]]); // getting ready needs no moment, and having them go waits for the next one
    second.end();
  });

  test('that was lost is taken up again by a reader that goes on', async () => {
    const { leases, pass } = log({});
    const reader = leases.take(5);
    await pass(LEASE_MS + 1);
    expect(leases.lowest).toBe(Number.POSITIVE_INFINITY);
    reader.moveTo(8);
    expect(leases.lowest).toBe(8);
    reader.end();
    reader.moveTo(9);
    expect(leases.lowest).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('a gap between leases', () => {
  /** What is done in the gap below 10, and what became of it. */
  function waiting(...held: number[]) {
    const told = log({});
    const { leases } = told;
    const taken = held.map((sequence) => leases.take(sequence));
    const end = new AbortController();
    const done: number[] = [];
    let result: unknown = 'none yet';
    const act = async (): Promise<string> => {
      done.push(leases.lowest);
      return 'done';
    };
    void leases.inGap(10, end.signal, act).then((value) => {
      result = value;
    });
    return { ...told, taken, end, done, result: () => result };
  }

  test('is used where it is, before anything else', async () => {
    const { done, result, pass } = waiting(11);
    expect(done).toEqual([11]);
    await pass(0);
    expect(result()).toBe('done');
  });

  test('of no length is enough, also where a reader goes on rather than ends', async () => {
    const { leases, taken, done, result, pass } = waiting(3, 7);
    taken[0]!.end();
    taken[0] = leases.take(3);
    expect(done).toEqual([]); // the other one is still there
    taken[1]!.moveTo(11);
    taken[0].moveTo(12);
    expect(done).toEqual([11]);
    leases.take(1);
    await pass(0);
    expect(result()).toBe('done');
    taken[0].end();
    expect(done).toEqual([11]);
  });

  test('that does not come until the end is told to be none, and not used later', async () => {
    const { taken, end, done, result, pass } = waiting(3);
    end.abort();
    await pass(0);
    expect(result()).toBeUndefined();
    taken[0]!.end();
    expect(done).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('comes at last where a reader has gone without a word, and not where it goes on', async () => {
    const gone = waiting(3);
    await gone.pass(LEASE_MS + 1);
    expect([gone.done, gone.result()]).toEqual([[Number.POSITIVE_INFINITY], 'done']);
    const going = waiting(3);
    await going.pass(1000);
    going.taken[0]!.moveTo();
    await going.pass(LEASE_MS);
    expect([going.done, going.result()]).toEqual([[], undefined]);
  });

  test('has what is done there fail for who waits, not for who lets go', async () => {
    const { leases } = log({});
    const lease = leases.take(3);
    const failed = leases.inGap(10, new AbortController().signal, () => Promise.reject(new Error('it failed')));
    lease.end();
    await expect(failed).rejects.toThrow('it failed');
  });
});

describe('what fails', () => {
  test('is told of once, and tried again later', async () => {
    const { gone, told, look, pass, failNext } = log({ maxBytes: 849 });
    failNext(new Error('first'));
    failNext(new Error('second'));
    await look();
    await look();
    expect([gone, told]).toEqual([[], ['first']]);
    await pass(600_000);
    expect([gone, told]).toEqual([[[1, 2]], ['first', 'pruned']]);
  });

  test('is tried again soon, though nothing else happens: a full disk is waited for by all', async () => {
    const { gone, look, pass, failNext } = log({ maxBytes: 849 });
    failNext(storageError(Object.assign(new Error('full'), { code: 'ENOSPC' }), 'write'));
    await look();
    await pass(29_999);
    expect(gone).toEqual([]);
    await pass(1);
    expect(gone).toEqual([[1, 2]]);
  });

  test('but not what does not verify, which takes reading it again', async () => {
    const { gone, look, pass, failNext } = log({ maxBytes: 849 });
    failNext(corrupt('/store/segment-0000000001.sealed', 0, 'it does not verify'));
    await look();
    await pass(599_999);
    expect(gone).toEqual([]);
    await pass(1);
    expect(gone).toEqual([[1, 2]]);
  });
});

test('a store that keeps all looks at nothing', async () => {
  const { gone, look } = log({});
  await look();
  expect(gone).toEqual([]);
  expect(vi.getTimerCount()).toBe(0);
});
