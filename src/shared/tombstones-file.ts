/** The file of the tombstones in force, as it is found in a directory. */
import path from 'node:path';
import type { PlaceHasher } from './format/checksum.js';
import { TOMBSTONES_FILE } from './format/file-names.js';
import {
  decodeTombstones,
  decodeTombstonesHeader,
  TOMBSTONES_HEADER_BYTES,
  type TombstonesContent,
} from './format/tombstones.js';
import { type ReadStorage, readFile } from './storage.js';

export type TombstonesFound =
  | { readonly kind: 'valid'; readonly content: TombstonesContent }
  | { readonly kind: 'missing' }
  | { readonly kind: 'damaged' };

export interface TombstonesPlace {
  readonly storage: ReadStorage;
  readonly dir: string;
  readonly storeId: Uint8Array;
  readonly hasher: PlaceHasher;
}

/** @throws ERR_STORAGE */
export function readTombstones(place: TombstonesPlace): TombstonesFound {
  const { storage, storeId, hasher } = place;
  const first = readTombstonesHeader(place);
  if (first === undefined) return { kind: 'missing' };
  // So much is to be read, and no more: what is damaged may be of any length.
  const header = decodeTombstonesHeader(first, storeId, hasher);
  if (header === undefined) return { kind: 'damaged' };
  const bytes = readFile(storage, fileOf(place), TOMBSTONES_HEADER_BYTES + header.bytes + 1);
  const content = decodeTombstones(bytes, storeId, hasher);
  return content === undefined ? { kind: 'damaged' } : { kind: 'valid', content };
}

/** The first bytes of the file, which are others in each; undefined where there is none. @throws ERR_STORAGE */
export function readTombstonesHeader(place: TombstonesPlace): Buffer | undefined {
  const file = fileOf(place);
  return place.storage.exists(file) ? readFile(place.storage, file, TOMBSTONES_HEADER_BYTES) : undefined;
}

function fileOf({ dir }: TombstonesPlace): string {
  return path.join(dir, TOMBSTONES_FILE);
}
