import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Call } from '../../dist/main/append/call.js';
import { Pending } from '../../dist/main/append/pending.js';

function callOf(firstSequence: number, count: number, endPosition: number): Call {
  const call = new Call([], count, { durability: 'synced', system: false, many: false });
  call.firstSequence = firstSequence;
  call.endPosition = endPosition;
  return call;
}

type Step =
  | { readonly kind: 'push'; readonly count: number }
  | { readonly kind: 'takeDurable' | 'written'; readonly share: number }
  | { readonly kind: 'takeNewest' };

const share = fc.double({ min: 0, max: 1, noNaN: true });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('push' as const), count: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('takeDurable' as const, 'written' as const), share }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'takeNewest' as const }) },
);

describe('the pending appends', () => {
  test('leave from both ends, are found by any of their sequences, and are written once each', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const pending = new Pending();
        const model: Call[] = [];
        const written = new Set<Call>();
        let sequence = 0;
        let position = 0;
        let durable = 0;
        for (const step of steps) {
          if (step.kind === 'push') {
            position += 64 * step.count;
            const call = callOf(sequence + 1, step.count, position);
            sequence += step.count;
            pending.push(call);
            model.push(call);
          } else if (step.kind === 'takeDurable') {
            durable = Math.max(durable, Math.floor(position * step.share));
            for (let call = pending.takeDurable(durable); call !== undefined; call = pending.takeDurable(durable)) {
              expect(call).toBe(model.shift());
            }
            expect(model[0] === undefined || model[0].endPosition > durable).toBe(true);
          } else if (step.kind === 'written') {
            const upTo = Math.floor(position * step.share);
            pending.forEachWritten(upTo, (call) => {
              expect(written.has(call)).toBe(false);
              expect(call.endPosition).toBeLessThanOrEqual(upTo);
              expect(model).toContain(call);
              written.add(call);
            });
            for (const call of model) if (call.endPosition <= upTo) expect(written.has(call)).toBe(true);
          } else {
            const call = pending.takeNewest();
            expect(call).toBe(model.pop());
            if (call !== undefined) {
              sequence = call.firstSequence - 1;
              written.delete(call);
            }
          }
          expect(pending.count).toBe(model.length);
          expect(pending.newest).toBe(model.at(-1));
          expect([...pending.newestFirst()]).toEqual([...model].reverse());
          for (let i = Math.max(0, sequence - 20); i <= sequence + 1; i++) {
            const holder = model.find(({ firstSequence, lastSequence }) => firstSequence <= i && i <= lastSequence);
            expect(pending.find(i)).toBe(holder);
          }
        }
      }),
    );
  });

  test('stay in order where there are very many', () => {
    const pending = new Pending();
    for (let i = 1; i <= 20_000; i++) pending.push(callOf(i, 1, i * 64));
    for (let i = 1; i <= 15_000; i++) expect(pending.takeDurable(15_000 * 64)?.firstSequence).toBe(i);
    expect(pending.takeDurable(15_000 * 64)).toBeUndefined();
    expect(pending.count).toBe(5000);
    expect(pending.find(15_001)?.firstSequence).toBe(15_001);
    expect(pending.find(15_000)).toBeUndefined();
    const seen: number[] = [];
    pending.forEachWritten(16_000 * 64, ({ firstSequence }) => seen.push(firstSequence));
    expect(seen).toEqual(Array.from({ length: 1000 }, (_, i) => 15_001 + i));
  });
});
