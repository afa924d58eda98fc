/** A store whose retention has nothing to wait for: what goes then is told by the sizes of its files. */
import { expect } from 'vitest';
import { readManifest } from '../../dist/shared/inspect.js';
import { segmentFileBytes } from '../../dist/shared/unsealing.js';
import { same } from './compare.js';
import type { Opening, Subject } from './subject.js';
import { passTime } from './worlds.js';

/** What has to go: all that is older than this, or all but so many of the newest full segments. */
export type Losing = { readonly kind: 'age' } | { readonly kind: 'bytes'; readonly keep: number; readonly less: 0 | 1 };

/** Unit: milliseconds. */
export const MAX_AGE_MS = 5000;
/** The least that a limit on bytes may be. */
const LEAST_BYTES = 64 * 1024;

/** Have the store lose its beginning, and wait until it has. Its disk is not to be full. */
export async function loseBeginning(subject: Subject, opening: Opening, losing: Losing): Promise<void> {
  await subject.reopen({ ...opening, retention: {} });
  await subject.store.seal();
  if (subject.store.stats().segments === 0) return;
  const sizes = closedSizes(subject);
  const newest = subject.store.stats().bytes - sum(sizes);
  expect(newest, 'bytes of the newest segment').toBeGreaterThanOrEqual(0);
  let gone = sizes.length;
  if (losing.kind === 'age') {
    passTime(MAX_AGE_MS + 1000);
    await subject.reopen({ ...opening, retention: { maxAgeMs: MAX_AGE_MS } });
  } else {
    const { keep, less } = losing;
    const maxBytes = Math.max(
      LEAST_BYTES,
      newest + sum(sizes.slice(sizes.length - Math.min(keep, sizes.length))) - less,
    );
    await subject.reopen({ ...opening, retention: { maxBytes } });
    const fits = sizes.findIndex((_, i) => newest + sum(sizes.slice(i)) <= maxBytes);
    if (fits !== -1) gone = fits;
  }
  const { store, world } = subject;
  const left = sizes.length + 1 - gone;
  while (store.stats().segments > left) await world.idle();
  same(`${store.stats().segments} segments`, `${left} segments`, 'what retention has left');
  await subject.checkAll('store');
}

/** Bytes of the files of all segments but the newest, the oldest first. */
function closedSizes({ world, store }: Subject): number[] {
  const { firstSegment } = readManifest(world.storage, world.dir)!;
  const numbers = Array.from({ length: store.stats().segments - 1 }, (_, i) => firstSegment + i);
  return numbers.map((number) => segmentFileBytes(world.storage, world.dir, number));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, one) => all + one, 0);
}
