/** The manifest while the store is open. The writer alone edits it; an edit is durable when it is done. */
import { MANIFEST_FILE } from '../../shared/format/file-names.js';
import { encodeManifest, type Manifest, manifestFormat } from '../../shared/format/manifest.js';
import type { LogCut } from '../../shared/messages.js';
import { replaceFile, type Storage } from '../../shared/storage.js';

/** What the manifest is to say of the log's end, which must not lie before that. */
type LogEnd = Pick<Manifest, 'durableUpTo' | 'lastSegment'>;

export class CurrentManifest {
  readonly #storage: Storage;
  readonly #dir: string;
  #manifest: Manifest;

  constructor(storage: Storage, dir: string, manifest: Manifest) {
    this.#storage = storage;
    this.#dir = dir;
    this.#manifest = manifest;
  }

  get epoch(): number {
    return this.#manifest.epoch;
  }

  /** The log begins later. */
  cutLog(cut: LogCut, end: LogEnd): void {
    this.#replace({ ...this.#manifest, ...cut, ...end });
  }

  /** There may be tombstones from a sequence on, unless that was said before: who does not know of them is kept away. */
  announceTombstones(from: number, end: LogEnd): void {
    if (this.#manifest.tombstones === undefined) this.#replace({ ...this.#manifest, ...end, tombstones: from });
  }

  #replace(manifest: Manifest): void {
    const next = { ...manifest, format: manifestFormat(manifest) };
    replaceFile(this.#storage, this.#dir, MANIFEST_FILE, [encodeManifest(next)]);
    this.#manifest = next;
  }
}
