/** Takes up the tombstones that another process has put into their file. */
import path from 'node:path';
import { corrupt } from '../shared/damage.js';
import { TOMBSTONES_FILE } from '../shared/format/file-names.js';
import { readTombstones, readTombstonesHeader, type TombstonesPlace } from '../shared/tombstones-file.js';
import type { Tombstones } from './read/tombstones.js';

export class TombstonesFollower {
  readonly #place: TombstonesPlace;
  readonly #tombstones: Tombstones;
  /** The first bytes of the file that was looked at last: those of each are others. */
  #seen: Buffer | undefined;

  /** From what is there now on: one that is damaged now is the opening's matter. */
  constructor(place: TombstonesPlace, tombstones: Tombstones) {
    this.#place = place;
    this.#tombstones = tombstones;
    const first = readTombstonesHeader(place);
    if (first !== undefined && readTombstones(place).kind === 'damaged') this.#seen = first;
  }

  /**
   * Look whether there is another file.
   * @throws ERR_CORRUPT where it does not verify, ERR_STORAGE
   */
  follow(): void {
    const first = readTombstonesHeader(this.#place);
    if (first === undefined || this.#seen?.equals(first) === true) return;
    const found = readTombstones(this.#place);
    if (found.kind === 'valid')
      for (const [stream, sequence] of found.content.tombstones) this.#tombstones.add(stream, sequence);
    else if (found.kind === 'damaged') throw damaged(this.#place.dir);
    this.#seen = first;
  }
}

function damaged(dir: string): Error {
  return corrupt(path.join(dir, TOMBSTONES_FILE), 0, 'the file of deleted streams does not verify', {
    hint: 'Open the store again: the log is read for them, and a writer makes the file anew.',
  });
}
