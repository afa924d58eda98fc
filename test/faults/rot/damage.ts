/** Every way of damaging a store that the sweeps go through: files as they were, and files as they are then found. */
import { segmentFile, segmentNumber } from '../../../dist/shared/format/file-names.js';
import type { Random } from '../../crash/random.js';
import type { Base } from './bases.js';
import { type Files, patched, withFiles } from './files.js';

const SECTOR = 512;
const BLOCK = 4096;

/** A damaged store. */
export interface Damage {
  /** What was done, so that it can be done again. */
  readonly what: string;
  readonly files: Files;
  /** Files that may be named by an error: those that are not as they were. */
  readonly hit: ReadonlySet<string>;
}

function damage(base: Base, what: string, changes: readonly (readonly [string, Buffer | undefined])[]): Damage {
  return { what, files: withFiles(base.files, changes), hit: new Set(changes.map(([name]) => name)) };
}

/** The bits of one byte turned over. */
export function* flips(base: Base, every: number, first = 0): Generator<Damage> {
  let place = 0;
  for (const [name, bytes] of base.files) {
    for (let at = 0; at < bytes.length; at++, place++) {
      if (place % every !== first % every) continue;
      yield damage(base, `flip ${name} ${at}`, [[name, patched(bytes, at, Buffer.of(bytes[at]! ^ 0xff))]]);
    }
  }
}

/** A random bit of a random byte turned over. */
export function* randomFlips(base: Base, count: number, random: Random): Generator<Damage> {
  const files = [...base.files].filter(([, bytes]) => bytes.length > 0);
  const total = files.reduce((sum, [, bytes]) => sum + bytes.length, 0);
  for (let i = 0; i < count; i++) {
    let at = Math.floor(random() * total);
    const bit = Math.floor(random() * 8);
    const [name, bytes] = files.find(([, { length }]) => {
      if (at < length) return true;
      at -= length;
      return false;
    })!;
    const what = `flip bit ${bit} of ${name} ${at}`;
    yield damage(base, what, [[name, patched(bytes, at, Buffer.of(bytes[at]! ^ (1 << bit)))]]);
  }
}

/** Each sector and each block of zeros, where there were none. */
export function* zeroed(base: Base): Generator<Damage> {
  for (const size of [SECTOR, BLOCK]) {
    for (const [name, bytes] of base.files) {
      for (let at = 0; at < bytes.length; at += size) {
        const part = bytes.subarray(at, at + size);
        if (part.every((byte) => byte === 0)) continue;
        yield damage(base, `zero ${size} bytes of ${name} at ${at}`, [
          [name, patched(bytes, at, Buffer.alloc(part.length))],
        ]);
      }
    }
  }
}

/** Each two sectors, and each two blocks, in each other's place, within a file and between files. */
export function* swapped(base: Base): Generator<Damage> {
  for (const size of [SECTOR, BLOCK]) yield* swappedParts(base, size);
}

function* swappedParts(base: Base, size: number): Generator<Damage> {
  const sectors = [...base.files].flatMap(([name, bytes]) =>
    Array.from({ length: Math.floor(bytes.length / size) }, (_, i) => ({ name, bytes, at: i * size })),
  );
  for (const [i, a] of sectors.entries()) {
    for (const b of sectors.slice(i + 1)) {
      const partA = a.bytes.subarray(a.at, a.at + size);
      const partB = b.bytes.subarray(b.at, b.at + size);
      if (partA.equals(partB)) continue;
      const inA = patched(a.bytes, a.at, partB);
      const what = `swap ${size} bytes of ${a.name} at ${a.at} and ${b.name} at ${b.at}`;
      if (a.name === b.name) yield damage(base, what, [[a.name, patched(inA, b.at, partA)]]);
      else {
        yield damage(base, what, [
          [a.name, inA],
          [b.name, patched(b.bytes, b.at, partA)],
        ]);
      }
    }
  }
}

/** Each sector, each block and each file as it was earlier: every content that it ever had. */
export function* stale(base: Base): Generator<Damage> {
  for (const [name, bytes] of base.files) {
    for (const size of [SECTOR, BLOCK, Number.POSITIVE_INFINITY]) {
      for (let at = 0; at < bytes.length; at += size) {
        const now = bytes.subarray(at, at + size);
        const seen = new Set([now.toString('latin1')]);
        for (const [version, files] of base.versions.entries()) {
          const file = files.get(name);
          if (file === undefined) continue;
          const then = file.subarray(at, at + now.length);
          if (then.length < now.length && size !== Number.POSITIVE_INFINITY) continue;
          if (seen.has(then.toString('latin1'))) continue;
          seen.add(then.toString('latin1'));
          const whole = size === Number.POSITIVE_INFINITY;
          const what = `version ${version} of ${whole ? 'all' : `${size} bytes`} of ${name} at ${at}`;
          yield damage(base, what, [[name, whole ? then : patched(bytes, at, then)]]);
        }
      }
    }
  }
}

/** Each file under each other's name, missing, twice, and that of another store. */
export function* misplaced(base: Base, other: Base): Generator<Damage> {
  const names = [...base.files.keys()];
  const newest = Math.max(...names.map((name) => segmentNumber(name) ?? 0));
  for (const [i, name] of names.entries()) {
    const bytes = base.files.get(name)!;
    yield damage(base, `${name} is missing`, [[name, undefined]]);
    for (const second of names.slice(i + 1)) {
      const changes = [[name, base.files.get(second)!] as const, [second, bytes] as const];
      yield damage(base, `${name} and ${second} are swapped`, changes);
    }
    for (const second of names) {
      if (second !== name) yield damage(base, `${name} stands in ${second} too`, [[second, bytes]]);
    }
    const copies = [newest + 1, newest + 2, 0, 9_999_999_999].map(segmentFile);
    for (const copy of [...copies, `${name}.tmp`, `copy of ${name}`, 'segment-0000000001.1.torn']) {
      yield damage(base, `${name} is there as ${copy} too`, [[copy, bytes]]);
    }
    const foreign = other.files.get(name);
    // With the manifest of another store, everything else is in the wrong place.
    const hit = name === 'keeperlog.manifest' ? new Set(names) : new Set([name]);
    if (foreign !== undefined) yield { ...damage(base, `${name} is that of another store`, [[name, foreign]]), hit };
  }
}

/** Each file cut at every frame's boundaries, and in between; and longer than it was. */
export function* resized(base: Base, every: number, random: Random): Generator<Damage> {
  for (const [name, bytes] of base.files) {
    const ends = new Set([0, 1, 127, 128, 129, bytes.length - 1]);
    for (const { file, offset, end } of base.frames) {
      if (file === name)
        for (const at of [offset, offset + 8, offset + 64, end - 8, end - 1, end, end + 1]) ends.add(at);
    }
    for (let at = 0; at < bytes.length; at += every) ends.add(at);
    for (const end of ends) {
      if (end >= 0 && end < bytes.length)
        yield damage(base, `${name} is cut at ${end}`, [[name, bytes.subarray(0, end)]]);
    }
    const garbage = Buffer.from(Array.from({ length: 700 }, () => Math.floor(random() * 256)));
    const last = base.frames.findLast(({ file }) => file === name);
    for (const [kind, more] of [
      ['zeros', Buffer.alloc(700)],
      ['garbage', garbage],
      ['itself', bytes],
      ['its last frame', bytes.subarray(last?.offset ?? 0, last?.end ?? 0)],
    ] as const) {
      if (more.length > 0) yield damage(base, `${name} is longer by ${kind}`, [[name, Buffer.concat([bytes, more])]]);
    }
  }
}
