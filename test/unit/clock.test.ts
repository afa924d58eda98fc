import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { Clock, type ClockSource, toHalves, toNs } from '../../dist/main/append/clock.js';

const START_MS = 1_700_000_000_000;

/** A wall clock and a monotonic one that move as they are told. */
class Hands implements ClockSource {
  wall = START_MS;
  monotonic = 0;

  wallMs(): number {
    return Math.floor(this.wall);
  }

  monotonicMs(): number {
    return this.monotonic;
  }

  /** Time goes by, and the wall clock steps. */
  move(elapsedMs: number, stepMs = 0): void {
    this.monotonic += elapsedMs;
    this.wall += elapsedMs + stepMs;
  }
}

function take(clock: Clock, count: number): { first: bigint; last: bigint } {
  clock.take(count);
  const last = toNs(clock.seconds, clock.nanos);
  return { first: last - BigInt(count - 1), last };
}

describe('the clock', () => {
  test('gives times that increase strictly, whatever the wall clock does', () => {
    const step = fc.record({
      elapsedMs: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 5000, noNaN: true })),
      stepMs: fc.oneof(fc.constant(0), fc.integer({ min: -(10 ** 10), max: 10 ** 10 })),
      count: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 65_535 })),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const hands = new Hands();
        const clock = new Clock(hands, () => {});
        let before = 0n;
        for (const { elapsedMs, stepMs, count } of steps) {
          hands.move(elapsedMs, stepMs);
          const { first, last } = take(clock, count);
          expect(first).toBeGreaterThan(before);
          expect(clock.nanos).toBeGreaterThanOrEqual(0);
          expect(clock.nanos).toBeLessThan(1_000_000_000);
          before = last;
        }
      }),
    );
  });

  test('gives the wall clock’s time where that is ahead', () => {
    const hands = new Hands();
    const clock = new Clock(hands, () => {});
    hands.move(1500);
    expect(take(clock, 1).first).toBe(BigInt(START_MS + 1500) * 1_000_000n);
    hands.move(1, 60_000); // the two clocks are compared each millisecond
    expect(take(clock, 1).first).toBe(BigInt(START_MS + 61_501) * 1_000_000n);
  });

  test('goes on by a nanosecond where the wall clock has not moved', () => {
    const clock = new Clock(new Hands(), () => {});
    const { last } = take(clock, 1);
    expect(take(clock, 1).first).toBe(last + 1n);
    expect(take(clock, 500)).toEqual({ first: last + 2n, last: last + 501n });
  });

  test('follows a wall clock that has stepped back once that is ahead again', () => {
    const hands = new Hands();
    const clock = new Clock(hands, () => {});
    const { last } = take(clock, 1);
    hands.move(0, -10_000);
    expect(take(clock, 1).first).toBe(last + 1n);
    hands.move(10_001);
    expect(take(clock, 1).first).toBe(BigInt(START_MS + 1) * 1_000_000n);
  });

  test('goes over the end of a second', () => {
    const clock = new Clock(new Hands(), () => {});
    clock.advanceTo(1_800_000_000_999_999_999n);
    expect(take(clock, 1).first).toBe(1_800_000_001_000_000_000n);
    clock.advanceTo(1_800_000_001_999_999_990n);
    expect(take(clock, 100)).toEqual({ first: 1_800_000_001_999_999_991n, last: 1_800_000_002_000_000_090n });
  });

  test('never gives out what it was told to leave, and never goes back', () => {
    const clock = new Clock(new Hands(), () => {});
    const ahead = BigInt(START_MS + 5000) * 1_000_000n;
    clock.advanceTo(ahead);
    clock.advanceTo(ahead - 1n);
    expect(take(clock, 1).first).toBe(ahead + 1n);
  });

  test('reports a step of more than an hour, and no smaller one', () => {
    const onJump = vi.fn();
    const hands = new Hands();
    const clock = new Clock(hands, onJump);
    hands.move(1, 3_590_000);
    clock.take(1);
    expect(onJump).not.toHaveBeenCalled();
    hands.move(1, -3_601_000);
    clock.take(1);
    expect(onJump).toHaveBeenCalledExactlyOnceWith(-3_601_000);
  });
});

describe('the halves of a timestamp', () => {
  test('are those of the exact number', () => {
    const seconds = fc.oneof(
      fc.integer({ min: 0, max: 2 ** 34 - 1 }),
      fc.constantFrom(0, 65_535, 65_536, 9_999_999_999),
    );
    const nanos = fc.oneof(fc.integer({ min: 0, max: 999_999_999 }), fc.constantFrom(0, 999_999_999));
    fc.assert(
      fc.property(seconds, nanos, (seconds, nanos) => {
        const exact = BigInt(seconds) * 1_000_000_000n + BigInt(nanos);
        const expected = { high: Number(exact >> 32n), low: Number(exact & 0xffff_ffffn) };
        expect(toHalves(seconds, nanos)).toEqual(expected);
        expect(toNs(seconds, nanos)).toBe(exact);
      }),
      { numRuns: 2000 },
    );
  });
});
