/**
 * Decoders on bytes that are wrong. Where a checksum does not hold they must say so. Where it holds (the changed bytes
 * were sealed again), the bytes are a bug or an attack, and the promise is less, but not nothing: a value or a typed error,
 * never a number that is none, memory in proportion to the input, and an end.
 */
import { describe, expect, test } from 'vitest';
import { effort, progress, TIMEOUT_MS, tally } from '../support/effort.js';
import { sizeOf, type Target, tryInputs, within } from './run.js';
import { TARGETS } from './targets.js';

/** Inputs of each decoder; a checkpoint is a file of several blocks, and takes longer. */
const COUNT = effort(8_000, 200_000);
const SLOW = effort(500, 20_000);

describe('a decoder gives a value or a typed error, in bounded memory', () => {
  test.each(TARGETS.map((target) => [target.name, target] as const))(
    '%s',
    (name, target) => {
      const count = name === 'checkpoint' ? SLOW : COUNT;
      const { values, refusals } = tryInputs(target, count);
      progress(`fuzz: ${name}: ${count} inputs, ${values} gave a value`);
      // Were all refused or none, the inputs would be too far from valid ones, or too near.
      expect(values).toBeGreaterThan(count / 100);
      expect(values + refusals).toBe(count);
      tally('fuzz', 'inputs of decoders', count);
    },
    TIMEOUT_MS,
  );
});

describe('the harness', () => {
  const of = (decode: Target['decode']): Target => ({ name: 'broken', input: () => Buffer.from('some bytes'), decode });

  test('finds an error that is not typed, and names seed and input', () => {
    const decode = (bytes: Buffer): unknown => new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(9);
    expect(() => tryInputs(of(decode), 1)).toThrow(/FAULTS_SEED=\d+ broken input 0: RangeError.*; input 736f6d65/);
  });

  test('finds a loop without an end', () => {
    const loop = (): void => {
      for (;;);
    };
    expect(() => within(100, loop, () => 'it hangs')).toThrow('it hangs');
  });

  test('finds memory that is taken because a header claims it', () => {
    expect(() =>
      tryInputs(
        of(() => void Buffer.alloc(1 << 24)),
        1,
      ),
    ).toThrow('asked for 16777216 bytes at once');
    expect(() =>
      tryInputs(
        of(() => new Array(1 << 20)),
        1,
      ),
    ).toThrow(/holds \d{7}/);
    expect(sizeOf({ a: ['text'] })).toBeGreaterThan(8);
  });
});
