/** Opening a store, for writing or for reading only. */
import { checkWorkOptions, type Logger, parseOptions, type Settings, type StoreOptions } from '../shared/options.js';
import { aborted } from '../shared/portable/errors.js';
import type { AnyEvents, NewEvent } from '../shared/portable/events.js';
import type { CallFlags } from './append/call.js';
import { appendInputs } from './append-inputs.js';
import { takeDirectory } from './directory.js';
import { appenderOf, EmbeddedStore, type Mode } from './embedded-store.js';
import { openWritingStore } from './opening.js';
import { openReadOnlyStore } from './read-only-store.js';
import { repairStoreOn } from './repair.js';
import type { RepairOptions } from './repair-types.js';
import { type Runtime, threadRuntime } from './runtime.js';
import type { Enqueued, Store } from './store-types.js';
import { OperatorLog } from './telemetry/operator-log.js';

const SILENT: Logger = { error() {}, warn() {}, info() {}, debug() {} };

/**
 * Open a store: make the directory, or recover what is there. An open store that is idle does not keep Node alive; a
 * pending append does.
 * @typeParam M the event map: a key is an event type, its value the type of that event's data
 * @param options the directory, or options with it
 * @returns resolves when the store has been recovered and is ready to append and read
 * @throws ERR_INVALID_OPTIONS; ERR_LOCKED where another process or thread has it open for writing; ERR_CORRUPT where bytes
 *   that were durable do not verify, nothing having been changed; ERR_UNSUPPORTED_FORMAT; ERR_STORAGE; ERR_ABORTED; with
 *   `readOnly` also ERR_NOT_FOUND where there is no store
 */
export async function openStore<M extends object = AnyEvents>(options: string | StoreOptions): Promise<Store<M>> {
  return openStoreOn<M>(options, threadRuntime);
}

/** The same over another runtime: the seam for tests of crashes. */
export async function openStoreOn<M extends object = AnyEvents>(
  options: string | StoreOptions,
  runtime: Runtime,
): Promise<Store<M>> {
  const settings = parseOptions(options);
  const { logger = SILENT, signal } = typeof options === 'string' ? {} : options;
  if (signal?.aborted === true) throw aborted(signal, 'opening the store');
  const pool = runtime.pool(settings.poolThreads);
  if (settings.readOnly) {
    const openReadOnly = () => openReadOnlyStore(settings, new OperatorLog(logger, settings.dir), runtime.storage);
    const repair = (given: RepairOptions) => {
      checkWorkOptions(given, 'dryRun');
      return repairStoreOn({ ...given, dir: settings.dir }, runtime);
    };
    const mode: Mode = { kind: 'read-only', store: await openReadOnly(), openAgain: openReadOnly, repair };
    return new EmbeddedStore<M>(settings, mode, runtime, pool, async () => {});
  }
  const directory = await takeDirectory(settings.dir, runtime);
  const placed: Settings = { ...settings, dir: directory.dir };
  const log = new OperatorLog(logger, placed.dir);
  try {
    const store = await openWritingStore(placed, log, runtime, pool, signal);
    const mode: Mode = { kind: 'writing', store };
    return new EmbeddedStore<M>(placed, mode, runtime, pool, () => directory.release(log));
  } catch (error) {
    await pool.close();
    await directory.release(log);
    throw error;
  }
}

const ENQUEUED_OWN: CallFlags = { durability: 'synced', system: true, many: false };

/**
 * For Keeperlog's own tools, not exported by the package: accept events of several streams in just the given order, a
 * stream as often as it comes, the system's streams too. One atomic call.
 * @throws what {@link Store.enqueue} throws; the path of an invalid event begins with `appends[i].events[j]`
 */
export function enqueueOwn(store: Store, appends: readonly OwnAppend[]): Enqueued {
  if (!(store instanceof EmbeddedStore)) throw new TypeError('not an embedded store');
  const inputs = appends.flatMap(({ stream, events }, i) =>
    appendInputs([{ stream, events }], undefined).map((part) => ({ ...part, path: `appends[${i}].events` })),
  );
  return appenderOf(store).enqueue(inputs, ENQUEUED_OWN);
}

/** Successive events of one stream. */
export interface OwnAppend {
  readonly stream: string;
  readonly events: readonly NewEvent[];
}
