/** Running a decoder over very many inputs: what it may do with them, and how a failure is told. */
import vm from 'node:vm';
import { expect } from 'vitest';
import { isKeeperError } from '../../dist/shared/portable/errors.js';
import { type Random, seeded } from '../crash/random.js';
import { SEED } from '../support/effort.js';

/**
 * What a decoder may take for an input of n bytes: at most so many bytes for each, and so many beside them (its blocks
 * and buffers of a fixed size). A container of MessagePack takes one byte, an empty object of V8 some fifty.
 */
export const MEMORY = { perByte: 96, fixed: 64 * 1024 } as const;

/** A decoder under test. */
export interface Target {
  readonly name: string;
  /** An input. The same one for the same random numbers. */
  input(random: Random): Buffer;
  /** Decode it, and everything that follows from it. */
  decode(input: Buffer): unknown;
  /** Whether an error is what the decoder says that it throws, apart from a KeeperError. */
  mayThrow?(error: unknown): boolean;
}

/** Inputs that are tried before the hand that stops a loop without end is set again. */
const BATCH = 1000;
/** Far more than a batch takes on any machine. Unit: milliseconds. */
const HANG_MS = 120_000;

/** What came of the inputs. */
export interface Outcomes {
  readonly values: number;
  readonly refusals: number;
}

/** Try a decoder with so many inputs: each gives a value or a typed error, in bounded memory, and comes to an end. */
export function tryInputs(target: Target, count: number): Outcomes {
  let at = 0;
  const outcomes = { values: 0, refusals: 0 };
  const batch = (): void => {
    for (const end = Math.min(count, at + BATCH); at < end; at++) {
      if (tryOne(target, at)) outcomes.values++;
      else outcomes.refusals++;
    }
  };
  while (at < count) within(HANG_MS, batch, () => `${where(target, at)}: it does not come to an end`);
  return outcomes;
}

/** One input. Returns whether it gave a value. */
function tryOne(target: Target, number: number): boolean {
  const input = target.input(seeded(SEED * 1_000_003 + number));
  const claims = watchClaims();
  let value: unknown;
  let isValue = true;
  try {
    value = target.decode(input);
  } catch (error) {
    isValue = false;
    if (!isKeeperError(error) && target.mayThrow?.(error) !== true) {
      throw new Error(`${where(target, number)}: ${String(error)}; input ${input.toString('hex')}`, { cause: error });
    }
  } finally {
    claims.end();
  }
  const bound = MEMORY.perByte * input.length + MEMORY.fixed;
  if (claims.largest > bound || sizeOf(value) > bound) {
    const sizes = `asked for ${claims.largest} bytes at once, holds ${sizeOf(value)}, of ${input.length}`;
    throw new Error(`${where(target, number)}: ${sizes}; input ${input.toString('hex')}`);
  }
  return isValue;
}

function where(target: Target, number: number): string {
  return `FAULTS_SEED=${SEED} ${target.name} input ${number}`;
}

/** Call something that must come to an end; a loop that does not is broken off. */
export function within(ms: number, call: () => void, why: () => string): void {
  const key = 'keeperlogFuzz';
  Reflect.set(globalThis, key, call);
  try {
    vm.runInThisContext(`globalThis.${key}()`, { timeout: ms });
  } catch (error) {
    if (Reflect.get(error as object, 'code') !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error;
    expect.fail(why());
  } finally {
    Reflect.deleteProperty(globalThis, key);
  }
}

const ALLOCATORS = ['alloc', 'allocUnsafe', 'allocUnsafeSlow'] as const;

/** Watch how much memory is asked for at once: what a header claims must not be believed. */
function watchClaims(): { readonly largest: number; end(): void } {
  const real = ALLOCATORS.map((name) => Buffer[name]);
  const watch = {
    largest: 0,
    end: () => {
      for (const [i, name] of ALLOCATORS.entries()) Reflect.set(Buffer, name, real[i]);
    },
  };
  for (const [i, name] of ALLOCATORS.entries()) {
    Reflect.set(Buffer, name, (size: number, ...rest: []) => {
      watch.largest = Math.max(watch.largest, size);
      return real[i]!.call(Buffer, size, ...rest);
    });
  }
  return watch;
}

/** What a value takes in memory, about. Unit: bytes. */
export function sizeOf(value: unknown): number {
  let size = 0;
  const left: unknown[] = [value];
  while (left.length > 0) {
    const next = left.pop();
    if (typeof next === 'string') size += 16 + 2 * next.length;
    else if (typeof next !== 'object' || next === null) size += 8;
    else if (ArrayBuffer.isView(next)) size += 64 + next.byteLength;
    else if (next instanceof Date) size += 64;
    else if (Array.isArray(next)) {
      size += 16 + 8 * next.length;
      for (const item of next) left.push(item);
    } else {
      size += 32;
      for (const [key, member] of Object.entries(next)) {
        size += 32 + 2 * key.length;
        left.push(member);
      }
    }
  }
  return size;
}
