/** What a disk holds at one moment, and the steps by which it changes. Nothing here is ever changed in place. */
import { createHash } from 'node:crypto';
import path from 'node:path';

/** The inode of every directory: they hold nothing but names. */
export const DIRECTORY = 0;

/** Names and what they lead to. Contents are by inode, so that a file outlives its name. */
export interface Image {
  readonly names: ReadonlyMap<string, number>;
  readonly contents: ReadonlyMap<number, Buffer>;
}

export const EMPTY_DISK: Image = { names: new Map([['/', DIRECTORY]]), contents: new Map() };

/** A change of a file, durable once the file is synced. */
export type FileStep =
  | { readonly kind: 'write'; readonly inode: number; readonly offset: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly inode: number; readonly length: number };

/** A change of a directory, durable once the directory is synced. A rename is atomic. */
export type NameStep =
  | { readonly kind: 'create'; readonly name: string; readonly inode: number }
  | { readonly kind: 'rename'; readonly name: string; readonly to: string; readonly inode: number }
  | { readonly kind: 'remove'; readonly name: string };

/** Where the engine has asked for a sync. */
export interface CallSite {
  /** `sync` or `syncDir`, and the two innermost functions of the engine, such as `sync@log-file.sync<writer.#commit`. */
  readonly name: string;
  /** The line of the built file, such as `workers/writer/log-file.js:61`. */
  readonly line: string;
}

export type Step<Note> =
  | FileStep
  | NameStep
  | { readonly kind: 'sync'; readonly inode: number; readonly by?: CallSite }
  /** A sync that failed: what it was to make durable counts as synced from then on, and is not. */
  | { readonly kind: 'failSync'; readonly inode: number }
  | { readonly kind: 'syncDir'; readonly name: string; readonly by?: CallSite }
  /** What had been promised when the disk had come so far. */
  | { readonly kind: 'note'; readonly note: Note };

/** A file after a step. */
export function changeFile(content: Buffer, step: FileStep): Buffer {
  if (step.kind === 'truncate') {
    if (step.length <= content.length) return content.subarray(0, step.length);
    return Buffer.concat([content, Buffer.alloc(step.length - content.length)]);
  }
  return writeParts(content, [step]);
}

/** A file after some writes, in order. */
export function writeParts(content: Buffer, parts: readonly { offset: number; bytes: Buffer }[]): Buffer {
  const changed = Buffer.alloc(Math.max(content.length, ...parts.map(({ offset, bytes }) => offset + bytes.length)));
  content.copy(changed);
  for (const { offset, bytes } of parts) bytes.copy(changed, offset);
  return changed;
}

/** Change names by a step. */
export function changeNames(names: Map<string, number>, step: NameStep): void {
  names.delete(step.name);
  if (step.kind === 'create') names.set(step.name, step.inode);
  else if (step.kind === 'rename') names.set(step.to, step.inode);
}

/** What can be reached: a name in a directory that is lost is lost too. */
export function reachable(image: Image): Image {
  const names = new Map([...image.names].filter(([name]) => isReachable(image.names, name)));
  const kept = new Set(names.values());
  return { names, contents: new Map([...image.contents].filter(([inode]) => kept.has(inode))) };
}

function isReachable(names: ReadonlyMap<string, number>, name: string): boolean {
  if (name === '/') return true;
  const parent = path.dirname(name);
  return names.get(parent) === DIRECTORY && isReachable(names, parent);
}

/** The same without some files. */
export function withoutFiles(image: Image, files: readonly string[]): Image {
  return reachable({ ...image, names: new Map([...image.names].filter(([name]) => !files.includes(name))) });
}

/** Contents are never changed in place, and most of them are in many images. */
const digests = new WeakMap<Buffer, string>();

function digestOf(content: Buffer): string {
  let digest = digests.get(content);
  if (digest === undefined) {
    digest = createHash('sha1').update(content).digest('base64');
    digests.set(content, digest);
  }
  return digest;
}

/** The same for the same names with the same contents. */
export function fingerprint(image: Image): string {
  const hash = createHash('sha1');
  for (const name of [...image.names.keys()].sort()) {
    const content = image.contents.get(image.names.get(name)!);
    hash.update(`${name}\0${content === undefined ? 'directory' : digestOf(content)}\0`, 'latin1');
  }
  return hash.digest('base64');
}
