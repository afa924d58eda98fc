/** A file system in memory that keeps a journal of every step that changes it. What it shows is what a page cache would. */
import path from 'node:path';
import { type FileHandle, type OpenMode, type Storage, storageError } from '../../dist/shared/storage.js';
import {
  type CallSite,
  changeFile,
  changeNames,
  DIRECTORY,
  type FileStep,
  type Image,
  type NameStep,
  type Step,
} from './image.js';

export class MemoryDisk<Note = unknown> implements Storage {
  readonly base: Image;
  readonly journal: Step<Note>[] = [];
  readonly #names: Map<string, number>;
  readonly #contents: Map<number, Buffer>;
  readonly #open = new Map<FileHandle, number>();
  #nextInode: number;
  #nextHandle = 1;

  /** @param journal steps that were taken since the base, durable or not: where a killed process left the disk */
  constructor(base: Image, journal: readonly Step<Note>[] = []) {
    this.base = base;
    this.#names = new Map(base.names);
    this.#contents = new Map(base.contents);
    this.#nextInode = Math.max(DIRECTORY, ...base.contents.keys()) + 1;
    for (const step of journal) this.#replay(step);
  }

  /** Put a note into the journal. */
  note(note: Note): void {
    this.journal.push({ kind: 'note', note });
  }

  /** What is there, as a process sees it. */
  image(): Image {
    return { names: new Map(this.#names), contents: new Map(this.#contents) };
  }

  makeDir(dir: string): void {
    if (this.#names.has(dir)) return;
    this.makeDir(path.dirname(dir));
    this.#changeNames({ kind: 'create', name: dir, inode: DIRECTORY });
  }

  list(dir: string): string[] {
    this.#inode(dir, 'readdir');
    return [...this.#names.keys()]
      .filter((name) => name !== '/' && path.dirname(name) === dir)
      .map((name) => path.basename(name));
  }

  exists(file: string): boolean {
    return this.#names.has(file);
  }

  size(handle: FileHandle): number {
    return this.#content(handle).length;
  }

  identity(handle: FileHandle): string {
    this.#content(handle);
    return String(this.#open.get(handle));
  }

  freeBytes(): number {
    return Number.MAX_SAFE_INTEGER;
  }

  openRead(file: string): FileHandle {
    return this.#openInode(this.#inode(file, 'open'));
  }

  openWrite(file: string, mode: OpenMode): FileHandle {
    if (mode === 'existing') return this.#openInode(this.#inode(file, 'open'));
    this.#inode(path.dirname(file), 'open');
    const existing = this.#names.get(file);
    if (existing !== undefined) {
      if (mode === 'secret') throw storageError(Object.assign(new Error(file), { code: 'EEXIST' }), 'open', file);
      if (mode === 'create' && this.#contents.get(existing)!.length > 0) {
        this.#changeFile({ kind: 'truncate', inode: existing, length: 0 });
      }
      return this.#openInode(existing);
    }
    const inode = this.#nextInode;
    this.#changeNames({ kind: 'create', name: file, inode });
    return this.#openInode(inode);
  }

  close(handle: FileHandle): void {
    this.#content(handle);
    this.#open.delete(handle);
  }

  read(handle: FileHandle, target: Uint8Array, offset: number): number {
    const content = this.#content(handle);
    return content.copy(target, 0, Math.min(offset, content.length), Math.min(offset + target.length, content.length));
  }

  async readAsync(handle: FileHandle, target: Uint8Array, offset: number): Promise<number> {
    return this.read(handle, target, offset);
  }

  write(handle: FileHandle, parts: readonly Uint8Array[], offset: number): number {
    const bytes = Buffer.concat(parts);
    this.#changeFile({ kind: 'write', inode: this.#open.get(handle)!, offset, bytes });
    return bytes.length;
  }

  truncate(handle: FileHandle, length: number): void {
    this.#changeFile({ kind: 'truncate', inode: this.#open.get(handle)!, length });
  }

  /** @param by who asks for it, for the journal */
  sync(handle: FileHandle, by?: CallSite): void {
    this.#content(handle);
    this.journal.push({ kind: 'sync', inode: this.#open.get(handle)!, ...(by !== undefined && { by }) });
  }

  /** A sync that fails, as the disk sees it. */
  failSync(handle: FileHandle): never {
    this.journal.push({ kind: 'failSync', inode: this.#open.get(handle)! });
    throw storageError(Object.assign(new Error('the disk has failed'), { code: 'EIO' }), 'fdatasync');
  }

  /** @param by who asks for it, for the journal */
  syncDir(dir: string, by?: CallSite): void {
    this.#inode(dir, 'fsync');
    this.journal.push({ kind: 'syncDir', name: dir, ...(by !== undefined && { by }) });
  }

  rename(from: string, to: string): void {
    this.#changeNames({ kind: 'rename', name: from, to, inode: this.#inode(from, 'rename') });
  }

  remove(file: string): void {
    this.#inode(file, 'unlink');
    this.#changeNames({ kind: 'remove', name: file });
  }

  removeDir(dir: string): void {
    this.#inode(dir, 'rmdir');
    if (this.list(dir).length > 0)
      throw storageError(Object.assign(new Error(dir), { code: 'ENOTEMPTY' }), 'rmdir', dir);
    this.#changeNames({ kind: 'remove', name: dir });
  }

  realPath(file: string): string {
    this.#inode(file, 'realpath');
    return file;
  }

  permissions(file: string): number {
    this.#inode(file, 'stat');
    return 0o600;
  }

  /** The name under which a file is open; undefined once it has none. */
  nameOf(handle: FileHandle): string | undefined {
    const inode = this.#open.get(handle);
    return [...this.#names].find(([, found]) => found === inode)?.[0];
  }

  #replay(step: Step<Note>): void {
    switch (step.kind) {
      case 'write':
      case 'truncate':
        this.#changeFile(step);
        return;
      case 'create':
      case 'rename':
      case 'remove':
        this.#changeNames(step);
        return;
      default:
        this.journal.push(step);
    }
  }

  #changeFile(step: FileStep): void {
    this.#contents.set(step.inode, changeFile(this.#contents.get(step.inode)!, step));
    this.journal.push(step);
  }

  #changeNames(step: NameStep): void {
    changeNames(this.#names, step);
    if (step.kind === 'create' && step.inode !== DIRECTORY) {
      this.#contents.set(step.inode, Buffer.alloc(0));
      this.#nextInode = Math.max(this.#nextInode, step.inode + 1);
    }
    this.journal.push(step);
  }

  #openInode(inode: number): FileHandle {
    const handle = this.#nextHandle++;
    this.#open.set(handle, inode);
    return handle;
  }

  #inode(name: string, syscall: string): number {
    const inode = this.#names.get(name);
    if (inode === undefined) throw storageError(Object.assign(new Error(name), { code: 'ENOENT' }), syscall, name);
    return inode;
  }

  #content(handle: FileHandle): Buffer {
    const inode = this.#open.get(handle);
    if (inode === undefined) throw storageError(Object.assign(new Error('closed'), { code: 'EBADF' }), 'handle');
    return this.#contents.get(inode)!;
  }
}
