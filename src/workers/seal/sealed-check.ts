/**
 * A sealed segment's file, beside its frames: the parts that are there twice, and whether the records are those that were digested
 * when it was sealed.
 */
import { sameChecksum } from '../../shared/format/frame.js';
import { DIGEST_BYTES, digestsOffset, type SealedHeader } from '../../shared/format/sealed.js';
import type { Hole } from '../../shared/holes.js';
import type { Problem } from '../../shared/problem.js';
import type { DigestsPlace, VerifyPart } from '../../shared/seal-tasks.js';
import { damagedParts, readHeader, type SealedPlace } from '../../shared/sealed-parts.js';
import { type ReadStorage, readRange } from '../../shared/storage.js';
import { addTo } from './signed-leaves.js';

/** Read at once. */
const DIGESTS_AT_ONCE = 4096;

export class SealedCheck {
  readonly #storage: ReadStorage;
  readonly #place: SealedPlace;
  readonly #header: SealedHeader;
  /** Where the next record's digest is; undefined where none is compared, or nobody knows any more which one that is. */
  #index: number | undefined;
  #read: Buffer<ArrayBufferLike> = Buffer.alloc(0);
  /** The first one of those that were read. */
  #first = 0;
  readonly #others: Hole[] = [];
  readonly #problems: Problem[] = [];

  /** @throws ERR_CORRUPT where the file cannot be read at all; ERR_UNSUPPORTED_FORMAT, ERR_STORAGE */
  constructor(storage: ReadStorage, place: SealedPlace, { from, deep }: VerifyPart) {
    this.#storage = storage;
    this.#place = place;
    this.#header = headerOf(storage, place);
    if (from === undefined) this.#lookAtParts(deep);
    else if (from.digests !== undefined && this.#isOf(from.digests.checksum)) this.#index = from.digests.index;
  }

  /** @param digest SHA-256 of the next record, a character a byte */
  check(sequence: number, digest: string): void {
    if (this.#index !== undefined && this.#next(this.#index++) !== digest) addTo(this.#others, sequence);
  }

  /** A record, or more, cannot be read. */
  lose(): void {
    this.#index = undefined;
  }

  /** Where to go on. */
  to(): DigestsPlace | undefined {
    return this.#index === undefined ? undefined : { index: this.#index, checksum: this.#header.digestsChecksum };
  }

  problems(): Problem[] {
    if (this.#others.length === 0) return this.#problems;
    // Another file may have come in this one's place meanwhile, without some of the records.
    const isSame = this.#isOf(headerOf(this.#storage, this.#place).digestsChecksum);
    const what = 'what was digested when the segment was sealed';
    return isSame ? [...this.#problems, ...areNot(this.#place.file, this.#others, what)] : this.#problems;
  }

  #lookAtParts(deep: boolean): void {
    const { file } = this.#place;
    const damaged = damagedParts(this.#storage, this.#place);
    for (const { what, offset } of damaged) {
      const message =
        `${what} of the sealed segment does not verify. All events are there, but the next damage may take the segment: ` +
        'close the store and run `keeperlog repair`, which writes it anew';
      this.#problems.push({ code: 'ERR_CORRUPT', message, file, offset });
    }
    if (deep && !damaged.some(({ isOfDigests }) => isOfDigests)) this.#index = 0;
  }

  #isOf(checksum: Uint8Array): boolean {
    return sameChecksum(checksum, this.#header.digestsChecksum);
  }

  /** Of all of them it is known that they verify. */
  #next(index: number): string {
    if (index >= this.#first + this.#read.length / DIGEST_BYTES) {
      this.#first = index;
      const count = Math.min(DIGESTS_AT_ONCE, Math.max(0, this.#header.count - index));
      const offset = digestsOffset(this.#header) + index * DIGEST_BYTES;
      this.#read = readRange(this.#storage, this.#place.file, offset, count * DIGEST_BYTES);
    }
    const at = (index - this.#first) * DIGEST_BYTES;
    return this.#read.toString('latin1', at, at + DIGEST_BYTES);
  }
}

/** The problem that records are others than they should be. */
export function areNot(file: string, ranges: readonly Hole[], what: string): Problem[] {
  return ranges.map(([firstSequence, lastSequence]) => {
    const which = firstSequence === lastSequence ? `${firstSequence}` : `${firstSequence} to ${lastSequence}`;
    const message = `what is stored as sequence ${which} is not ${what}`;
    return { code: 'ERR_CORRUPT', message, file, firstSequence, lastSequence };
  });
}

function headerOf(storage: ReadStorage, place: SealedPlace): SealedHeader {
  const handle = storage.openRead(place.file);
  try {
    return readHeader(storage, handle, place);
  } finally {
    storage.close(handle);
  }
}
