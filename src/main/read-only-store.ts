/** A store that is only read: no lock, not a byte written, also beside a live writer, whose watermark it follows. */
import path from 'node:path';
import { PlaceHasher, recordSeed } from '../shared/format/checksum.js';
import { segmentFile, WATERMARK_FILE } from '../shared/format/file-names.js';
import { decodeWatermark, WATERMARK_FILE_BYTES } from '../shared/format/watermark.js';
import { type Inspection, inspectStore, readManifest } from '../shared/inspect.js';
import type { Settings } from '../shared/options.js';
import { KeeperError } from '../shared/portable/errors.js';
import { readFile, type Storage } from '../shared/storage.js';
import { Catalog } from './read/catalog.js';
import { type Horizon, Records } from './read/records.js';
import { TailCache } from './read/tail-cache.js';
import { takeTombstones } from './take-tombstones.js';
import type { OperatorLog } from './telemetry/operator-log.js';
import { TombstonesFollower } from './tombstones-follower.js';

/** A slot that is being written does not verify; the other one does, unless it is written next. */
const WATERMARK_TRIES = 3;

export interface ReadOnlyStore {
  readonly found: Inspection;
  readonly records: Records;
}

/** @throws ERR_NOT_FOUND where there is no store; ERR_CORRUPT, ERR_UNSUPPORTED_FORMAT, ERR_STORAGE */
export async function openReadOnlyStore(
  settings: Settings,
  log: OperatorLog,
  storage: Storage,
): Promise<ReadOnlyStore> {
  const { dir } = settings;
  const found = await inspect(storage, dir);
  const { manifest } = found;
  const hasher = await PlaceHasher.create(found.storeId);
  const reload = () => readManifest(storage, dir);
  const catalog = new Catalog(storage, dir, found.storeId, hasher, manifest, settings.indexBytes, reload);
  for (const header of found.segments) catalog.add(header);
  for (const { number } of found.lost) catalog.lack(number);
  const place = { storage, dir, storeId: found.storeId, hasher };
  const follower = new TombstonesFollower(place, catalog.tombstones);
  const horizon = new WatermarkHorizon(storage, dir, hasher, found, () => follower.follow());
  const records = new Records(catalog, new TailCache(0), horizon, recordSeed(found.storeId), manifest);
  await takeTombstones({ ...place, manifest, records }, records.durable(), Number.POSITIVE_INFINITY);
  tellOpened(log, dir, found);
  return { found, records };
}

/** Look at a store; once more where retention has removed segments of it meanwhile. */
async function inspect(storage: Storage, dir: string): Promise<Inspection> {
  for (;;) {
    const manifest = readManifest(storage, dir);
    if (manifest === undefined) {
      throw new KeeperError('ERR_NOT_FOUND', `there is no store in ${dir}`, {
        hint: 'A store is made when it is opened for writing.',
      });
    }
    const isStill = (): boolean => readManifest(storage, dir)?.firstSegment === manifest.firstSegment;
    try {
      const found = await inspectStore(storage, dir, manifest);
      if (isStill()) return found;
    } catch (error) {
      if (isStill()) throw error;
    }
  }
}

function tellOpened(log: OperatorLog, dir: string, found: Inspection): void {
  const { manifest, durable, segments, lost, clean, active } = found;
  const { storeId, nodeId } = manifest;
  log.openedReadOnly({ storeId, nodeId, durable, segments: segments.length, clean });
  for (const { error } of lost) log.segmentLost(error);
  if (active?.tail.kind !== 'corrupt' || (lost.at(-1)?.number ?? 0) > active.header.number) return;
  log.damaged({
    file: path.join(dir, segmentFile(active.header.number)),
    offset: active.endOffset,
    firstSequence: active.lastSequence + 1,
    lastSequence: active.tail.lastSequence,
  });
}

/** As far as the writer says that the log is durable, or said so before it ended. */
class WatermarkHorizon implements Horizon {
  readonly #storage: Storage;
  readonly #file: string;
  readonly #hasher: PlaceHasher;
  readonly #onRefresh: () => void;
  #durable: number;
  #segment: number;

  /** @param onRefresh called each time, after it was looked at */
  constructor(storage: Storage, dir: string, hasher: PlaceHasher, found: Inspection, onRefresh: () => void) {
    this.#onRefresh = onRefresh;
    this.#storage = storage;
    this.#file = path.join(dir, WATERMARK_FILE);
    this.#hasher = hasher;
    this.#durable = found.durable;
    // The watermark that was found may name one that has no frame yet, or is lost.
    this.#segment = found.segments.at(-1)?.number ?? 0;
  }

  refresh(): number {
    this.#look();
    this.#onRefresh();
    return this.#durable;
  }

  newestSegment(): number {
    return this.#segment;
  }

  #look(): void {
    if (!this.#storage.exists(this.#file)) return;
    for (let i = 0; i < WATERMARK_TRIES; i++) {
      const watermark = decodeWatermark(readFile(this.#storage, this.#file, WATERMARK_FILE_BYTES), this.#hasher);
      if (watermark === undefined) continue;
      if (watermark.sequence > this.#durable) {
        this.#durable = watermark.sequence;
        this.#segment = Math.max(this.#segment, watermark.segment);
      }
      break;
    }
  }
}
