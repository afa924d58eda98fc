/**
 * Backing a store up, while it is written or not. What is backed up is a prefix of its log: everything up to a sequence that was
 * durable, and with it what the store was, the audit tree, and the checkpoint of heads, as far as they speak of that prefix.
 */
import type { BackupJob, CopyHooks } from '../../shared/backup-jobs.js';
import type { BackupProgress, BackupReport } from '../../shared/backup-report.js';
import { type BackupContent, type BackupSegment, filesOf, storeName } from '../../shared/format/backup-list.js';
import { PlaceHasher } from '../../shared/format/checksum.js';
import { type Manifest, manifestFormat } from '../../shared/format/manifest.js';
import { Holes } from '../../shared/holes.js';
import { readManifest } from '../../shared/inspect.js';
import { isKeeperError, KeeperError } from '../../shared/portable/errors.js';
import type { Storage } from '../../shared/storage.js';
import { backUpBase } from './base.js';
import { isSameSealed, SealedHeaders } from './compacted.js';
import type { CopyContext } from './copying.js';
import { backUpHeads } from './heads.js';
import { checkHistory, endOf, type PlaceInLog } from './history.js';
import { type LogPlace, samePlace } from './log-walk.js';
import { Pins } from './pins.js';
import { copySegment, type SegmentEnd } from './segments.js';
import { placeOf, type StoreSegment, segmentsUpTo, sizeOf, withFileOf } from './store-log.js';
import { BackupTarget } from './target.js';
import { removePartialTiles } from './tiles.js';
import { backUpTree, openTree } from './tree.js';

/**
 * @throws ERR_INVALID_OPTIONS where the directory has something else; ERR_CORRUPT where the log, the audit tree, or the list of the
 *   backup does not verify; ERR_STORAGE, ERR_UNSUPPORTED_FORMAT, and what a pause throws. The last backup is whole then.
 */
export async function backUp(storage: Storage, job: BackupJob, hooks: CopyHooks): Promise<BackupReport> {
  const { dir } = job;
  let manifest = readManifest(storage, dir);
  if (manifest === undefined) throw new KeeperError('ERR_NOT_FOUND', `there is no store in ${dir}`);
  const target = BackupTarget.open(storage, job.to, manifest.storeId);
  const storeId = Buffer.from(manifest.storeId, 'hex');
  const hasher = await PlaceHasher.create(storeId);
  let content: BackupContent | undefined;
  const made = new Map<number, BackupSegment>();
  while (content === undefined) {
    try {
      content = await copyAtOnce({ storage, storeId, hasher, hooks, dir, manifest, target, made }, job.durable);
    } catch (error) {
      const later = removedMeanwhile(storage, dir, manifest, error);
      if (later === undefined) {
        // What stays is removed by the next one. What counts is why it was in vain.
        attempt(() => target.sweep());
        throw error;
      }
      manifest = later;
    }
  }
  const before = target.content?.tree?.size ?? 0;
  target.commit(content);
  // The backup is made: what cannot be removed now is removed by the next one.
  attempt(() => {
    target.sweep();
    removePartialTiles(storage, target.dir, before, content.tree?.size ?? 0);
  });
  return reportOf(content, target.number - 1);
}

/**
 * Copy a log, and the tree. What was removed before it was copied is to be in the copied tree, and what says so in the copied log.
 * @returns undefined where it is not: both are to be copied once more, with what they have beyond what there is. The copies that were made
 *   stay, which are older than those will be
 */
async function copyAtOnce(parts: BackupParts, durable: number): Promise<BackupContent | undefined> {
  const { storage, dir, manifest, made, target } = parts;
  const before = new Set(made.keys());
  const pins = new Pins(storage, dir, parts.hooks.mostHeld);
  try {
    pins.hold(manifest.firstSegment, before);
    const sealed = new SealedHeaders(storage, dir);
    const copied = await new Backup({ ...parts, storage: pins.view() }).copyAll(durable);
    const isLater = ({ number, backup }: BackupSegment): boolean =>
      backup === target.number && !before.has(number) && !pins.holds(number);
    return copied.segments.some((one) => isLater(one) && sealed.hasChanged(one.number)) ? undefined : copied;
  } finally {
    pins.release();
  }
}

/**
 * The manifest as it is now, if the oldest segments have been removed since an older one was read: what is missing then is no damage,
 * and the backup begins anew with what there is.
 */
function removedMeanwhile(storage: Storage, dir: string, before: Manifest, error: unknown): Manifest | undefined {
  const isMissing = isKeeperError(error, 'ERR_STORAGE') && error.errno === 'ENOENT';
  if (!isMissing && !isKeeperError(error, 'ERR_CORRUPT')) return undefined;
  const now = readManifest(storage, dir);
  return now?.storeId === before.storeId && now.firstSegment > before.firstSegment ? now : undefined;
}

function attempt(tidy: () => void): void {
  try {
    tidy();
  } catch (error) {
    process.emitWarning(error as Error);
  }
}

function reportOf(content: BackupContent, number: number): BackupReport {
  const { manifest, segments } = content;
  const files = filesOf(content).map(({ file }) => file);
  const sum = (some: readonly { readonly bytes: number }[]): number => some.reduce((all, { bytes }) => all + bytes, 0);
  const copied = segments.filter(({ backup }) => backup === number);
  return {
    number,
    lastSequence: manifest.durableUpTo,
    segments: segments.length,
    copiedSegments: copied.length,
    reusedSegments: segments.length - copied.length,
    bytes: sum(files),
    copiedBytes: sum(files.filter(({ backup }) => backup === number)),
  };
}

interface BackupParts {
  readonly storage: Storage;
  readonly storeId: Uint8Array;
  readonly hasher: PlaceHasher;
  readonly hooks: CopyHooks;
  /** Of the store. */
  readonly dir: string;
  readonly manifest: Manifest;
  readonly target: BackupTarget;
  /** Copies of full segments by this backup, as they are made; by number. */
  readonly made: Map<number, BackupSegment>;
}

/** A segment of the store, and what becomes of it. */
interface Planned {
  readonly segment: StoreSegment;
  readonly lastSequence: number;
  readonly end: SegmentEnd;
  /** The copy that is there already. */
  readonly known: BackupSegment | undefined;
}

/** Whether a copy is one of the whole segment. */
function isCopyOf({ header, lastSequence, end }: StoreSegment, copy: BackupSegment): boolean {
  // Where a repair has put two segments together the one behind says nothing: the same holes have been found before.
  const isSame = end === undefined || samePlace(endOf(copy), end);
  return copy.firstSequence === header.firstSequence && copy.lastSequence === lastSequence && isSame;
}

class Backup {
  readonly #place: LogPlace & CopyContext;
  readonly #dir: string;
  readonly #manifest: Manifest;
  readonly #target: BackupTarget;
  readonly #hooks: CopyHooks;
  readonly #made: Map<number, BackupSegment>;
  #progress: BackupProgress = { segments: 0, totalSegments: 0, bytes: 0, totalBytes: 0 };

  constructor({ storage, storeId, hasher, hooks, dir, manifest, target, made }: BackupParts) {
    const onBytes = (bytes: number): void => this.#tell({ bytes: this.#progress.bytes + bytes });
    const pause = (): void | Promise<void> => hooks.pause();
    this.#place = { storage, storeId, hasher, holes: new Holes(manifest.holes), pause, onBytes };
    this.#hooks = hooks;
    this.#dir = dir;
    this.#manifest = manifest;
    this.#target = target;
    this.#made = made;
  }

  /** @param durable the last sequence that is to be in it, at least */
  async copyAll(durable: number): Promise<BackupContent> {
    const place = this.#place;
    const tree = openTree(place.storage, this.#dir, this.#manifest.storeId);
    const { content } = this.#target;
    // What was signed, or backed up, was durable, though who asks for this backup may not know of it yet, or any more.
    const upTo = Math.max(durable, tree?.file.body.size ?? 0, content?.manifest.durableUpTo ?? 0);
    const found = await segmentsUpTo(place, this.#dir, this.#manifest, upTo);
    const log = { dir: this.#dir, manifest: this.#manifest, segments: found, durable, tree };
    const begin = await checkHistory(place, this.#target, log);
    const planned: Planned[] = [];
    for (const segment of found) planned.push(await this.#plan(segment, begin));
    const segments = await this.#copySegments(planned);
    const last = segments.at(-1);
    const durableUpTo = last?.lastSequence ?? this.#manifest.durableUpTo;
    const copied = {
      manifest: this.#manifestOf({ durableUpTo, lastSegment: last?.number ?? 0 }),
      segments,
      heads: await backUpHeads(place, this.#dir, this.#target, durableUpTo),
      base: await backUpBase(place, this.#dir, this.#target, this.#manifest),
      tree: await backUpTree(place, this.#dir, this.#target, tree),
    };
    this.#checkStill();
    return copied;
  }

  /** The store's, with the log's end as the backup has it. Read again for tombstones: the first one may have come meanwhile. */
  #manifestOf(end: Pick<Manifest, 'durableUpTo' | 'lastSegment'>): Manifest {
    const tombstones = this.#manifest.tombstones ?? readManifest(this.#place.storage, this.#dir)?.tombstones;
    if (tombstones === undefined) return { ...this.#manifest, ...end };
    const manifest = { ...this.#manifest, ...end, tombstones };
    return { ...manifest, format: manifestFormat(manifest) };
  }

  async #plan(segment: StoreSegment, begin: PlaceInLog | undefined): Promise<Planned> {
    const { header, isLast } = segment;
    const made = isLast ? undefined : this.#made.get(header.number);
    if (made !== undefined && isCopyOf(segment, made)) {
      return { segment, lastSequence: made.lastSequence, end: endOf(made), known: made };
    }
    const known = this.#known(segment);
    if (known !== undefined && !isLast) {
      return { segment, lastSequence: segment.lastSequence, end: endOf(known), known: await this.#reusable(known) };
    }
    if (segment.end !== undefined) {
      return { segment, lastSequence: segment.lastSequence, end: segment.end, known: undefined };
    }
    const from = begin?.number === header.number ? begin.at : undefined;
    const end = await placeOf(this.#place, this.#dir, segment, segment.lastSequence, from);
    const lastSequence = isLast ? end.sequence - 1 : segment.lastSequence;
    const isSame = known?.lastSequence === lastSequence && samePlace(endOf(known), end);
    return { segment, lastSequence, end, known: isSame ? known : undefined };
  }

  /** The copy of a segment that the last backup has, if it is one of the whole segment, or that of the newest. */
  #known(segment: StoreSegment): BackupSegment | undefined {
    const { header, isLast } = segment;
    const { content } = this.#target;
    const known = content?.segments[header.number - content.manifest.firstSegment];
    if (known === undefined || known.firstSequence !== header.firstSequence) return undefined;
    if (!this.#target.holds(storeName(known), known)) return undefined;
    if (isLast) return known.sealed ? undefined : known;
    return isCopyOf(segment, known) ? known : undefined;
  }

  /** A copy of what the store has sealed or compacted meanwhile gives way to what there is now, which is smaller. */
  async #reusable(known: BackupSegment): Promise<BackupSegment | undefined> {
    const copy = this.#target.path(storeName(known), known);
    const isStill = await withFileOf(this.#place, this.#dir, known.number, async ({ sealed, file }) =>
      sealed ? known.sealed && isSameSealed(this.#place.storage, copy, file) : true,
    );
    return isStill ? known : undefined;
  }

  async #copySegments(planned: readonly Planned[]): Promise<BackupSegment[]> {
    let totalBytes = 0;
    for (const { segment, end, known } of planned) {
      if (known === undefined) totalBytes += await sizeOf(this.#place, this.#dir, segment, end);
    }
    this.#tell({ totalSegments: planned.length, totalBytes });
    const segments: BackupSegment[] = [];
    let before: SegmentEnd | undefined;
    for (const plan of planned) {
      const segment = plan.known ?? (await this.#copySegment(plan, before));
      if (plan.known === undefined && !plan.segment.isLast) this.#made.set(segment.number, segment);
      segments.push(segment);
      before = plan.end;
      this.#tell({ segments: segments.length });
    }
    return segments;
  }

  #copySegment(
    { segment: { header, isLast }, lastSequence, end }: Planned,
    before: SegmentEnd | undefined,
  ): Promise<BackupSegment> {
    const { number, firstSequence } = header;
    return withFileOf(this.#place, this.#dir, number, async (source) => {
      // The newest segment of a store is a raw one, and nothing of it that is not durable is copied.
      const sealed = source.sealed && !isLast;
      const to = this.#target.path(storeName({ number, sealed }));
      const range = { firstSequence, lastSequence };
      const copied = await copySegment(this.#place, { source, sealed, to, ...range, end, before });
      const lastFrame = Buffer.from(end.previous).toString('hex');
      return { number, ...range, endOffset: end.offset, lastFrame, sealed, backup: this.#target.number, ...copied };
    });
  }

  /** A store that is only read may have been repaired by another process meanwhile, which gives segments other frames. */
  #checkStill(): void {
    const now = readManifest(this.#place.storage, this.#dir);
    const { storeId, holes } = this.#manifest;
    if (now?.storeId === storeId && JSON.stringify(now.holes) === JSON.stringify(holes)) return;
    throw new KeeperError('ERR_STORAGE', `${this.#dir} was repaired while it was backed up`, {
      errno: 'EBUSY',
      syscall: 'read',
      hint: 'Back it up once more.',
    });
  }

  #tell(changed: Partial<BackupProgress>): void {
    this.#progress = { ...this.#progress, ...changed };
    this.#hooks.onProgress(this.#progress);
  }
}
