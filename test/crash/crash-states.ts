/**
 * Every state in which a power cut may leave a disk, as far as its journal allows: after each step, each change that was
 * not synced is there, is not there, or is there in part, sector by sector. A change of a file is durable once the file
 * is synced, a change of names once the directory is. What is torn or lost is chosen freely: nothing unsynced has an order.
 */
import path from 'node:path';
import { SEED } from '../support/effort.js';
import { type Change, type Depth, type Fate, fatesOf, keptParts, sectorsOf } from './fates.js';
import {
  changeFile,
  changeNames,
  DIRECTORY,
  fingerprint,
  type Image,
  reachable,
  type Step,
  writeParts,
} from './image.js';
import { type Random, seeded } from './random.js';

/** A state after a power cut, and what had been promised before it. */
export interface CrashState<Note> {
  readonly image: Image;
  readonly note: Note | undefined;
  /** How many steps of the journal came before the cut. */
  readonly steps: number;
  /** What became of the changes that were not durable, oldest first. */
  readonly fates: readonly Fate[];
  /** Two states with the same one hold the same. */
  readonly fingerprint: string;
}

/** A change behind what is durable as a whole. */
interface Later {
  readonly change: Change;
  /** A write whose sync has failed: the page cache takes it for durable, and no later sync makes it so. */
  given: boolean;
  /** Durable itself, though a change of the same file before it is not. */
  durable: boolean;
  /** Not durable for no other reason than that a sync is left out. */
  owed: boolean;
}

/** A journal being walked: what is durable so far, and which changes are not. */
class Walk<Note> {
  readonly #names: Map<string, number>;
  readonly #contents: Map<number, Buffer>;
  readonly #without: readonly string[];
  #later: Later[] = [];
  note: Note | undefined;

  /** @param without the call sites whose syncs are left out */
  constructor(base: Image, without: readonly string[] = []) {
    this.#names = new Map(base.names);
    this.#contents = new Map(base.contents);
    this.#without = without;
  }

  /** What is not durable. */
  get changes(): readonly Change[] {
    return this.#pending.map(({ change }) => change);
  }

  /** Whether these fates are possible without the sync that is left out alone. */
  isOwed(fates: readonly Fate[]): boolean {
    return this.#pending.some(({ owed }, i) => owed && fates[i] !== true);
  }

  step(step: Step<Note>): void {
    switch (step.kind) {
      case 'note':
        this.note = step.note;
        return;
      case 'sync':
        this.#sync(({ change, given }) => !given && isOfFile(change, step.inode), step.by?.name);
        return;
      case 'failSync':
        for (const later of this.#later)
          later.given ||= later.change.kind === 'write' && isOfFile(later.change, step.inode);
        return;
      case 'syncDir':
        this.#sync(({ change }) => 'name' in change && path.dirname(change.name) === step.name, step.by?.name);
        return;
      default:
        this.#later.push({ change: step, given: false, durable: false, owed: false });
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

  get #pending(): readonly Later[] {
    return this.#later.filter(({ durable }) => !durable);
  }

  #sync(isSynced: (later: Later) => boolean, by: string | undefined): void {
    if (by !== undefined && this.#without.includes(by)) {
      for (const later of this.#later) later.owed ||= !later.durable && isSynced(later);
      return;
    }
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
  const content = contents.get(change.inode) ?? Buffer.alloc(0);
  const isWhole = typeof fate === 'boolean' || change.kind === 'truncate';
  const changed = isWhole ? changeFile(content, change) : writeParts(content, [...keptParts(change, fate)]);
  contents.set(change.inode, changed);
}

export interface CutOptions {
  /** The steps before which no cut is made. */
  readonly from?: number;
  /** Call sites whose syncs are left out: of the states those alone that need this. */
  readonly without?: readonly string[];
}

/** The states of a journal, each once for what had been promised. */
export function* crashStates<Note>(
  base: Image,
  journal: readonly Step<Note>[],
  depth: Depth,
  { from = 0, without = [] }: CutOptions = {},
): Generator<CrashState<Note>> {
  const walk = new Walk<Note>(base, without);
  const notes = new Map<Note | undefined, Set<string>>();
  for (let steps = 0; steps <= journal.length; steps++) {
    if (steps > 0) walk.step(journal[steps - 1]!);
    // A promise is made at once: there is no cut between a step and the note behind it.
    if (steps < from || journal[steps]?.kind === 'note') continue;
    const { note } = walk;
    const seen = notes.get(note) ?? new Set<string>();
    notes.set(note, seen);
    for (const fates of fatesOf(walk.changes, depth, seeded(SEED * 100_003 + steps))) {
      if (without.length > 0 && !walk.isOwed(fates)) continue;
      const image = walk.image(fates);
      const print = fingerprint(image);
      if (seen.has(print)) continue;
      seen.add(print);
      yield { image, note, steps, fates, fingerprint: print };
    }
  }
}

/** One state of a journal. */
export function crashStateAt<Note>(
  base: Image,
  journal: readonly Step<Note>[],
  steps: number,
  fates: readonly Fate[],
  without: readonly string[] = [],
): CrashState<Note> {
  const walk = new Walk<Note>(base, without);
  for (const step of journal.slice(0, steps)) walk.step(step);
  const { length } = walk.changes;
  if (length !== fates.length)
    throw new Error(`${length} changes are not durable after step ${steps}, not ${fates.length}`);
  const image = walk.image(fates);
  return { image, note: walk.note, steps, fates, fingerprint: fingerprint(image) };
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
