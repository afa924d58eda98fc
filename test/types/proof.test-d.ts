import { describe, expectTypeOf, test } from 'vitest';
import type { Prover } from '../../src/shared/audit/prover.js';
import { isKeeperError } from '../../src/shared/portable/errors.js';
import type { Checkpoint } from '../../src/shared/portable/proof/checkpoint.js';
import {
  type ConsistencyProof,
  type InclusionProof,
  parseProof,
  type VerifiedConsistency,
  type VerifiedInclusion,
  verifyProof,
} from '../../src/shared/portable/proof/index.js';

declare const prover: Prover;
declare const inclusion: InclusionProof;
declare const consistency: ConsistencyProof;
declare const error: unknown;

describe('a proof', () => {
  test('says by its kind what has to be known', () => {
    const digest = new Uint8Array(32);
    expectTypeOf(verifyProof(inclusion, { keys: 'key', digest })).resolves.toEqualTypeOf<VerifiedInclusion>();
    expectTypeOf(verifyProof('text', { keys: ['key'], record: digest })).resolves.toEqualTypeOf<VerifiedInclusion>();
    expectTypeOf(
      verifyProof(consistency, { keys: 'key', checkpoint: '' }),
    ).resolves.toEqualTypeOf<VerifiedConsistency>();
    // @ts-expect-error: a consistency proof is about no record
    verifyProof(consistency, { keys: 'key', digest }).catch(() => {});
    // @ts-expect-error: without a key nothing is verified
    verifyProof(inclusion, { digest }).catch(() => {});
  });

  test('is what a store gives and what a text holds', () => {
    expectTypeOf(prover.prove(1)).toEqualTypeOf<InclusionProof>();
    expectTypeOf(prover.proveConsistency(1)).toEqualTypeOf<ConsistencyProof>();
    expectTypeOf(parseProof('')).toEqualTypeOf<InclusionProof>();
    expectTypeOf<Checkpoint>().toExtend<{ size: number; root: string; publicKey: string; text: string }>();
  });

  test('that does not hold says why', () => {
    if (!isKeeperError(error, 'ERR_UNVERIFIED')) return;
    expectTypeOf(error.reason).toEqualTypeOf<'form' | 'key' | 'signature' | 'origin' | 'range' | 'root'>();
  });
});
