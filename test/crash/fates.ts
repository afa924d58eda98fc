/** What a power cut may leave of changes that are not durable: which fates are tried, and how they are written down. */
import type { FileStep, NameStep } from './image.js';
import type { Random } from './random.js';

const SECTOR_BYTES = 512;

/** How thoroughly states are enumerated. */
export interface Depth {
  /** Up to so many changes every subset of them is taken; beyond it a choice. */
  readonly allSubsetsUpTo: number;
  /** Random subsets beyond that, and random tears of each torn write. */
  readonly random: number;
  /** Whether what else is not durable is also mixed with a torn write, rather than all there or all gone. */
  readonly mixedWithTears: boolean;
  /** So many times each change has a fate of its own: several writes are torn then. */
  readonly wild: number;
}

/** Every change alone, and the torn writes that tell most. */
export const LIGHT: Depth = { allSubsetsUpTo: 2, random: 0, mixedWithTears: false, wild: 0 };
export const NORMAL: Depth = { allSubsetsUpTo: 4, random: 2, mixedWithTears: false, wild: 0 };
export const DEEP: Depth = { allSubsetsUpTo: 7, random: 24, mixedWithTears: true, wild: 24 };

/** A change that is not durable. */
export type Change = FileStep | NameStep;
/** What is left of a change: all of it, nothing, or these sectors of a write. */
export type Fate = boolean | readonly boolean[];

export type Write = Extract<FileStep, { kind: 'write' }>;

/** The sectors that a write touches. */
export function sectorsOf({ offset, bytes }: Write): number {
  return Math.ceil((offset + bytes.length) / SECTOR_BYTES) - Math.floor(offset / SECTOR_BYTES);
}

/** What is left of a write, as a write for each sector. */
export function* keptParts(write: Write, kept: readonly boolean[]): Generator<Write> {
  const first = Math.floor(write.offset / SECTOR_BYTES);
  for (let i = 0; i < kept.length; i++) {
    if (!kept[i]) continue;
    let last = i;
    while (kept[last + 1] === true) last++;
    const start = Math.max(write.offset, (first + i) * SECTOR_BYTES);
    const end = Math.min(write.offset + write.bytes.length, (first + last + 1) * SECTOR_BYTES);
    yield { ...write, offset: start, bytes: write.bytes.subarray(start - write.offset, end - write.offset) };
    i = last;
  }
}

/** Ways in which a write of several sectors may be torn. */
function* tearsOf(sectors: number, depth: Depth, random: Random): Generator<boolean[]> {
  const where = (isKept: (sector: number) => boolean): boolean[] =>
    Array.from({ length: sectors }, (_, i) => isKept(i));
  const half = sectors >>> 1;
  yield where((i) => i < 1);
  yield where((i) => i >= 1);
  yield where((i) => i < half);
  yield where((i) => i >= half);
  yield where((i) => i < sectors - 1);
  yield where((i) => i === sectors - 1);
  yield where((i) => i !== half);
  for (let i = 0; i < depth.random; i++) yield where(() => random() < 0.5);
}

/** Which subsets of so many changes are taken. */
function* subsetsOf(count: number, depth: Depth, random: Random): Generator<boolean[]> {
  const where = (isKept: (change: number) => boolean): boolean[] => Array.from({ length: count }, (_, i) => isKept(i));
  if (count <= depth.allSubsetsUpTo) {
    for (let bits = 0; bits < 1 << count; bits++) yield where((i) => (bits & (1 << i)) !== 0);
    return;
  }
  yield where(() => true);
  yield where(() => false);
  for (let one = 0; one < count; one++) {
    yield where((i) => i !== one);
    yield where((i) => i === one);
  }
  for (let i = 0; i < depth.random; i++) yield where(() => random() < 0.5);
}

export function* fatesOf(changes: readonly Change[], depth: Depth, random: Random): Generator<Fate[]> {
  yield* subsetsOf(changes.length, depth, random);
  // What is torn is the newest write of several sectors: an older one has been looked at after its own step.
  const torn = changes.findLastIndex((change) => change.kind === 'write' && sectorsOf(change) > 1);
  if (torn === -1) return;
  const write = changes[torn] as Write;
  for (const tear of tearsOf(sectorsOf(write), depth, random)) {
    yield changes.map((_, i) => (i === torn ? tear : true));
    yield changes.map((_, i) => (i === torn ? tear : false));
    if (depth.mixedWithTears) yield changes.map((_, i) => (i === torn ? tear : random() < 0.5));
  }
  for (let i = 0; i < depth.wild; i++) yield changes.map((change) => wildFateOf(change, random));
}

function wildFateOf(change: Change, random: Random): Fate {
  const chance = random();
  if (change.kind !== 'write' || sectorsOf(change) === 1 || chance < 0.5) return chance < 0.25;
  // Mostly kept, mostly lost, or half and half.
  const kept = random();
  return Array.from({ length: sectorsOf(change) }, () => random() < kept);
}

/**
 * Fates as text, a change after the other: `+` all of it, `-` nothing, or how many sectors are kept, lost, kept and so on in
 * turn: `(3.1.2)`. `=` where there is nothing that is not durable.
 */
export function fatesAsText(fates: readonly Fate[]): string {
  return fates.length === 0 ? '=' : fates.map(fateAsText).join('');
}

function fateAsText(fate: Fate): string {
  if (typeof fate === 'boolean') return fate ? '+' : '-';
  const runs: number[] = [];
  for (let i = 0, kept = true; i < fate.length; kept = !kept) {
    const start = i;
    while (i < fate.length && fate[i] === kept) i++;
    runs.push(i - start);
  }
  return `(${runs.join('.')})`;
}

/** @throws where the text is none of {@link fatesAsText} */
export function parseFates(text: string): Fate[] {
  if (!/^(=|([+-]|\([\d.]+\))+)$/.test(text)) throw new Error(`not the fates of changes: ${text}`);
  return (text.match(/[+-]|\([\d.]+\)/g) ?? []).map((token) => {
    if (token.length === 1) return token === '+';
    const runs = token.slice(1, -1).split('.').map(Number);
    return runs.flatMap((length, i) => Array<boolean>(length).fill(i % 2 === 0));
  });
}
