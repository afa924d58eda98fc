/**
 * Every state in which a power cut may leave a disk, as far as its journal allows: after each step, each change that was
 * not synced is there, is not there, or is there in part, sector by sector. A change of a file is durable once the file
 * is synced, a change of names once the directory is. What is torn or lost is chosen freely: nothing unsynced has an order.
 */
import path from 'node:path';
import {
  changeFile,
  changeNames,
  DIRECTORY,
  type FileStep,
  fingerprint,
  type Image,
  type NameStep,
  reachable,
  type Step,
} from './image.js';
import { type Random, seeded } from './random.js';

const SECTOR_BYTES = 512;

/** How thoroughly states are enumerated. */
export interface Depth {
  /** Up to so many changes every subset of them is taken; beyond it a choice. */
  readonly allSubsetsUpTo: number;
  /** Random subsets beyond that, and random tears of each torn write. */
  readonly random: number;
  /** Whether what else is not durable is also mixed with a torn write, rather than all there or all gone. */
  readonly mixedWithTears: boolean;
}

export const NORMAL: Depth = { allSubsetsUpTo: 4, random: 2, mixedWithTears: false };
export const DEEP: Depth = { allSubsetsUpTo: 7, random: 24, mixedWithTears: true };

/** A state after a power cut, and what had been promised before it. */
export interface CrashState<Note> {
  readonly image: Image;
  readonly note: Note | undefined;
  /** How many steps of the journal came before the cut. */
  readonly steps: number;
  /** Two states with the same one hold the same. */
  readonly fingerprint: string;
}

/** A change that is not durable. */
type Change = FileStep | NameStep;
/** What is left of a change: all of it, nothing, or these sectors of a write. */
type Fate = boolean | readonly boolean[];

/** A change behind what is durable as a whole. */
interface Later {
  readonly change: Change;
  /** A write whose sync has failed: the page cache takes it for durable, and no later sync makes it so. */
  given: boolean;
  /** Durable itself, though a change of the same file before it is not. */
  durable: boolean;
}

/** A journal being walked: what is durable so far, and which changes are not. */
class Walk<Note> {
  readonly #names: Map<string, number>;
  readonly #contents: Map<number, Buffer>;
  #later: Later[] = [];
  note: Note | undefined;

  constructor(base: Image) {
    this.#names = new Map(base.names);
    this.#contents = new Map(base.contents);
  }

  /** What is not durable. */
  get changes(): readonly Change[] {
    return this.#later.filter(({ durable }) => !durable).map(({ change }) => change);
  }

  step(step: Step<Note>): void {
    switch (step.kind) {
      case 'note':
        this.note = step.note;
        return;
      case 'sync':
        this.#settle(({ change, given }) => !given && isOfFile(change, step.inode));
        return;
      case 'failSync':
        for (const later of this.#later)
          later.given ||= later.change.kind === 'write' && isOfFile(later.change, step.inode);
        return;
      case 'syncDir':
        this.#settle(({ change }) => 'name' in change && path.dirname(change.name) === step.name);
        return;
      default:
        this.#later.push({ change: step, given: false, durable: false });
    }
  }

  /** The disk if each change that is not durable comes to its fate. */
  image(fates: readonly Fate[]): Image {
    const names = new Map(this.#names);
    const contents = new Map(this.#contents);
    let next = 0;
    for (const { change, durable } of this.#later) {
      const fate = durable || fates[next++]!;
      if (fate !== false) apply(names, contents, change, fate);
    }
    // A file may be found under a name though none of its content is durable.
    for (const inode of names.values()) {
      if (inode !== DIRECTORY && !contents.has(inode)) contents.set(inode, Buffer.alloc(0));
    }
    return reachable({ names, contents });
  }

  #settle(isSynced: (later: Later) => boolean): void {
    for (const later of this.#later) later.durable ||= isSynced(later);
    const held = new Set<number>();
    this.#later = this.#later.filter(({ change, durable }) => {
      if ('name' in change) {
        if (durable) apply(this.#names, this.#contents, change, true);
        return !durable;
      }
      if (!durable || held.has(change.inode)) {
        held.add(change.inode);
        return true;
      }
      apply(this.#names, this.#contents, change, true);
      return false;
    });
  }
}

function isOfFile(change: Change, inode: number): boolean {
  return !('name' in change) && change.inode === inode;
}

function apply(names: Map<string, number>, contents: Map<number, Buffer>, change: Change, fate: Fate): void {
  if ('name' in change) {
    changeNames(names, change);
    return;
  }
  let content = contents.get(change.inode) ?? Buffer.alloc(0);
  if (typeof fate === 'boolean' || change.kind === 'truncate') content = changeFile(content, change);
  else for (const part of keptParts(change, fate)) content = changeFile(content, part);
  contents.set(change.inode, content);
}

type Write = Extract<FileStep, { kind: 'write' }>;

/** The sectors that a write touches. */
function sectorsOf({ offset, bytes }: Write): number {
  return Math.ceil((offset + bytes.length) / SECTOR_BYTES) - Math.floor(offset / SECTOR_BYTES);
}

/** What is left of a write, as a write for each sector. */
function* keptParts(write: Write, kept: readonly boolean[]): Generator<Write> {
  const first = Math.floor(write.offset / SECTOR_BYTES);
  for (let i = 0; i < kept.length; i++) {
    if (!kept[i]) continue;
    const start = Math.max(write.offset, (first + i) * SECTOR_BYTES);
    const end = Math.min(write.offset + write.bytes.length, (first + i + 1) * SECTOR_BYTES);
    yield { ...write, offset: start, bytes: write.bytes.subarray(start - write.offset, end - write.offset) };
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

function* fatesOf(changes: readonly Change[], depth: Depth, random: Random): Generator<Fate[]> {
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
}

/**
 * The states of a journal, each once for what had been promised.
 * @param from the steps before which no cut is made
 */
export function* crashStates<Note>(
  base: Image,
  journal: readonly Step<Note>[],
  depth: Depth,
  from = 0,
): Generator<CrashState<Note>> {
  const walk = new Walk<Note>(base);
  const notes = new Map<Note | undefined, Set<string>>();
  for (let steps = 0; steps <= journal.length; steps++) {
    if (steps > 0) walk.step(journal[steps - 1]!);
    // A promise is made at once: there is no cut between a step and the note behind it.
    if (steps < from || journal[steps]?.kind === 'note') continue;
    const { note } = walk;
    const seen = notes.get(note) ?? new Set<string>();
    notes.set(note, seen);
    for (const fates of fatesOf(walk.changes, depth, seeded(steps))) {
      const image = walk.image(fates);
      const print = fingerprint(image);
      if (seen.has(print)) continue;
      seen.add(print);
      yield { image, note, steps, fingerprint: print };
    }
  }
}

/** The hardest cut at the journal's end: nothing is left of what was not synced. */
export function onlyDurable<Note>(base: Image, journal: readonly Step<Note>[]): Image {
  const walk = new Walk<Note>(base);
  for (const step of journal) walk.step(step);
  return walk.image(walk.changes.map(() => false));
}

/** A cut at the journal's end after which each change that was not synced may be there, not there, or there in part. */
export function someState<Note>(base: Image, journal: readonly Step<Note>[], random: Random): Image {
  const walk = new Walk<Note>(base);
  for (const step of journal) walk.step(step);
  const fates = walk.changes.map((change): Fate => {
    if (change.kind !== 'write' || random() < 0.5) return random() < 0.5;
    return Array.from({ length: sectorsOf(change) }, () => random() < 0.5);
  });
  return walk.image(fates);
}
