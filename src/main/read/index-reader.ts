/**
 * An index file, read section by section. The steps are generators that ask for bytes where a section is not in memory, so that
 * the same code serves reads that block and reads that do not.
 */
import { CHECKSUM_BYTES, type PlaceHasher } from '../../shared/format/checksum.js';
import { type IndexHeader, verifiedBlock } from '../../shared/format/index-file.js';
import { BLOCKS_PER_PAGE, FILTER_BLOCK_BYTES, filterBlockOf, mayBeInBlock } from '../../shared/format/index-filter.js';
import {
  type BlockRef,
  CHUNK_RECORDS,
  CHUNKS_PER_PAGE,
  ChunkCursor,
  chunkIn,
  chunksOf,
  decodeChunk,
  pageBytes,
} from '../../shared/format/index-offsets.js';
import { MAX_BLOCK_BYTES, TreeBlockReader, type ValueEntry } from '../../shared/format/index-tree.js';
import { RECORD_ALIGNMENT } from '../../shared/format/record.js';
import { MalformedBytes } from '../../shared/format/varint.js';
import { isKeeperError } from '../../shared/portable/errors.js';
import type { PostedField } from '../../shared/portable/query/narrow.js';
import type { IndexMemory } from './index-memory.js';
import type { RecordPlaces } from './postings.js';
import type { RecordAt, Steps } from './segment-blocks.js';

/** What the process, or the machine, has none of for the moment. */
const EXHAUSTED: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOMEM']);

/** An index file does not verify, or cannot be read: it is to be done without. */
export class IndexDamage extends Error {
  override readonly name = 'IndexDamage';

  /** Whether it cannot be read at the moment, which tells nothing of the file. */
  get isPassing(): boolean {
    return isKeeperError(this.cause, 'ERR_STORAGE') && EXHAUSTED.has(this.cause.errno);
  }
}

/** What an index costs in memory beside its bytes, about. */
const SECTION_BYTES = 120;
/** Chunks that are read together take so many bytes at most. */
const ROW_BYTES = 64 * 1024;
/** A tree of more levels is none. */
const MAX_LEVELS = 16;

export class IndexReader {
  readonly header: IndexHeader;
  readonly #memory: IndexMemory;
  readonly #hasher: PlaceHasher;
  readonly #name: string;

  /** @param name what the keys of its sections in memory begin with */
  constructor(header: IndexHeader, memory: IndexMemory, hasher: PlaceHasher, name: string) {
    this.header = header;
    this.#memory = memory;
    this.#hasher = hasher;
    this.#name = name;
  }

  /** What a value's entry says; undefined where no record has it. */
  *find(field: PostedField, key: string): Steps<ValueEntry | undefined> {
    const { root } = this.header.fields[field];
    if (root === undefined || !(yield* this.mayHave(field, key))) return undefined;
    let block = this.#entriesIn(yield* this.glance(root));
    for (let levels = 1; block.level > 0; levels++) {
      const { level } = block;
      block = this.#entriesIn(yield* this.glance(block.seekBlock(key)));
      checkLevel(block, level, levels);
    }
    const entry = block.seekValue(key);
    if (entry?.key !== key) return undefined;
    // The block's bytes are gone with the next step.
    return 'gaps' in entry.places ? { ...entry, places: { gaps: Buffer.from(entry.places.gaps) } } : entry;
  }

  /** The entries of a field from a key on. */
  entriesFrom(field: PostedField, key: string): EntryCursor {
    return new EntryCursor(this, this.header.fields[field].root, key);
  }

  /** Whether a filter leaves it open that a field has a value. */
  *mayHave(field: PostedField, key: string): Steps<boolean> {
    const { filterOffset, filterBlocks } = this.header.fields[field];
    if (filterBlocks === 0) return true;
    const hash = this.#hasher.digest(this.header.segment.number, Buffer.from(key, 'latin1'));
    const block = filterBlockOf(hash, filterBlocks);
    const page = Math.floor(block / BLOCKS_PER_PAGE);
    const blocks = Math.min(BLOCKS_PER_PAGE, filterBlocks - page * BLOCKS_PER_PAGE);
    const offset = filterOffset + page * (BLOCKS_PER_PAGE * FILTER_BLOCK_BYTES + CHECKSUM_BYTES);
    const bytes = yield* this.glance({ offset, length: blocks * FILTER_BLOCK_BYTES });
    return mayBeInBlock(bytes, (block % BLOCKS_PER_PAGE) * FILTER_BLOCK_BYTES, hash);
  }

  /** A block of a dictionary. */
  *treeBlock(ref: BlockRef): Steps<TreeBlockReader> {
    return this.#entriesIn(yield* this.block(ref));
  }

  #entriesIn(block: Buffer): TreeBlockReader {
    return new TreeBlockReader(block, this.header.nodeId, this.header.places);
  }

  /**
   * Where the records of some places begin, and where what follows each does: of those that are in the chunk of the first of them.
   * @param places ascending
   * @param from the first of them
   * @returns the first that is in another chunk
   */
  *recordsInChunk(places: Uint32Array, from: number, { starts, ends }: RecordPlaces): Steps<number> {
    const chunk = Math.floor(places[from]! / CHUNK_RECORDS);
    const ref = yield* this.#chunkRef(chunk);
    const offsets = new ChunkCursor(yield* this.glance(ref), this.header.segment.rawBytes);
    const first = chunk * CHUNK_RECORDS;
    let next = from;
    for (; next < places.length && places[next]! < first + CHUNK_RECORDS; next++) {
      starts[next] = offsets.at(places[next]! - first) * RECORD_ALIGNMENT;
      ends[next] = offsets.at(places[next]! - first + 1) * RECORD_ALIGNMENT;
    }
    return next;
  }

  /**
   * The offsets of the records of chunks that follow each other, and of what follows each chunk, in units of 8 bytes: of as many chunks as
   * one read brings. They are not kept in memory, where many would push out what is asked again.
   */
  *offsetsInRow(first: number, count: number): Steps<Uint32Array[]> {
    const refs = [yield* this.#chunkRef(first)];
    let end = endOf(refs[0]!);
    while (refs.length < count) {
      const next = yield* this.#chunkRef(first + refs.length);
      if (next.offset !== end || endOf(next) - refs[0]!.offset > ROW_BYTES) break;
      refs.push(next);
      end = endOf(next);
    }
    const { offset } = refs[0]!;
    if (end > this.header.fileBytes) throw new MalformedBytes('a block is not in the file');
    const stored = yield { offset, length: end - offset };
    return refs.map((ref, i) =>
      this.#decodeChunk(first + i, this.#verified(ref, stored.subarray(ref.offset - offset, endOf(ref) - offset))),
    );
  }

  *#chunkRef(chunk: number): Steps<BlockRef> {
    const page = Math.floor(chunk / CHUNKS_PER_PAGE);
    const first = page * CHUNKS_PER_PAGE;
    const offset = this.header.directoryOffset + page * (pageBytes(0, CHUNKS_PER_PAGE) + CHECKSUM_BYTES);
    const directory = yield* this.block({ offset, length: pageBytes(first, chunksOf(this.header.places)) });
    return chunkIn(directory, chunk - first);
  }

  #decodeChunk(chunk: number, bytes: Buffer): Uint32Array {
    const { places, segment } = this.header;
    return decodeChunk(bytes, Math.min(CHUNK_RECORDS, places - chunk * CHUNK_RECORDS), segment.rawBytes);
  }

  /** Where the record of a place begins, and where what follows it does. */
  *recordAt(place: number): Steps<RecordAt> {
    const found = { starts: new Float64Array(1), ends: new Float64Array(1) };
    yield* this.recordsInChunk(Uint32Array.of(place), 0, found);
    return { offset: found.starts[0]!, end: found.ends[0]! };
  }

  /** The bytes of a block that are looked at in this step alone; in memory they are held from the second time on. */
  *glance(ref: BlockRef): Steps<Buffer> {
    const key = this.#keyOf(ref);
    const held = this.#memory.get(key) as Buffer | undefined;
    if (held?.length === ref.length) return held;
    if (this.#memory.isAskedAgain(key)) return yield* this.block(ref);
    return yield* this.#read(ref, true);
  }

  *block(ref: BlockRef): Steps<Buffer> {
    const key = this.#keyOf(ref);
    const held = this.#memory.get(key) as Buffer | undefined;
    if (held?.length === ref.length) return held;
    const bytes = yield* this.#read(ref, false);
    this.#memory.put(key, bytes, bytes.length + SECTION_BYTES);
    return bytes;
  }

  #keyOf({ offset }: BlockRef): string {
    return `${this.#name}${offset}`;
  }

  *#read({ offset, length }: BlockRef, passing: boolean): Steps<Buffer> {
    if (length > MAX_BLOCK_BYTES || offset + length + CHECKSUM_BYTES > this.header.fileBytes) {
      throw new MalformedBytes('a block is not in the file');
    }
    return this.#verified({ offset, length }, yield { offset, length: length + CHECKSUM_BYTES, passing });
  }

  #verified(ref: BlockRef, stored: Buffer): Buffer {
    const bytes = verifiedBlock(this.header.segment, ref, stored, this.#hasher);
    if (bytes === undefined) throw new IndexDamage(`the block at ${ref.offset} does not verify`);
    return bytes;
  }
}

function endOf({ offset, length }: BlockRef): number {
  return offset + length + CHECKSUM_BYTES;
}

/** Goes from value to value, in order. */
export class EntryCursor {
  readonly #reader: IndexReader;
  #root: BlockRef | undefined;
  readonly #key: string;
  /** The blocks above the leaf, the highest first: what was not read of them comes behind it. */
  readonly #above: TreeBlockReader[] = [];
  #leaf: TreeBlockReader | undefined;

  /** @param root undefined where there is no value */
  constructor(reader: IndexReader, root: BlockRef | undefined, key: string) {
    this.#reader = reader;
    this.#root = root;
    this.#key = key;
  }

  /** The next entry; undefined behind the last one. */
  *next(): Steps<ValueEntry | undefined> {
    if (this.#root !== undefined) {
      const root = this.#root;
      this.#root = undefined;
      this.#leaf = yield* this.#descend(root, (block) => block.seekBlock(this.#key));
      const entry = this.#leaf.seekValue(this.#key);
      if (entry !== undefined) return entry;
    }
    while (this.#leaf !== undefined) {
      if (!this.#leaf.isAtEnd) return this.#leaf.value();
      while (this.#above.at(-1)?.isAtEnd === true) this.#above.pop();
      const block = this.#above.at(-1)?.block();
      this.#leaf = block && (yield* this.#descend(block, firstBlock));
    }
    return undefined;
  }

  /** The leaf below a block that is chosen in each block on the way. */
  *#descend(top: BlockRef, choose: (block: TreeBlockReader) => BlockRef): Steps<TreeBlockReader> {
    let block = yield* this.#reader.treeBlock(top);
    for (let levels = 1; block.level > 0; levels++) {
      const { level } = block;
      const below = choose(block);
      this.#above.push(block);
      block = yield* this.#reader.treeBlock(below);
      checkLevel(block, level, levels);
    }
    return block;
  }
}

/** A block below one of a level, behind so many others. @throws MalformedBytes where it cannot be there */
function checkLevel({ level }: TreeBlockReader, above: number, levels: number): void {
  if (level !== above - 1) throw new MalformedBytes('a block is of another level');
  if (level > 0 && levels === MAX_LEVELS) throw new MalformedBytes('a dictionary has no end');
}

function firstBlock(block: TreeBlockReader): BlockRef {
  if (block.isAtEnd) throw new MalformedBytes('a block names none');
  return block.block();
}
