/**
 * The progress of a source as the store knows it, and from it the event of every line.
 *
 * Each batch is one atomic append: the events of its lines in the order of the lines, and behind them one event
 * `LinesIngested` in `$ingest/<name>`:
 *
 *   source      the name of the source
 *   firstLine   the first line of the batch, from zero
 *   line        the line after the last one: where the next run goes on
 *   events      how many of these lines are events
 *   blank       the numbers of those that are not, where there are any
 *   offset      bytes of the input up to `line`
 *   checksum    CRC-32 of these bytes: a later run makes sure that the input still begins with them
 *   unended     true where the last line had no line end
 *
 * So the event of a line stands a known distance before its batch's progress event, and needs no index: the batches
 * that were written last are kept with their ids, an older one is found by a binary search over the revisions of
 * `$ingest/<name>`. Memory is bounded by the two caches here, whatever the length of the source.
 */
import type { RecordedEvent } from '../../../shared/portable/events.js';
import type { Store } from '../../index.js';

export const PROGRESS_TYPE = 'LinesIngested';

/** Batches kept with their ids: more than may be on their way to the disk. */
const RECENT_BATCHES = 32;
/** Progress events, and ids of lines, that were looked up. */
const KNOWN_BATCHES = 4096;
const KNOWN_IDS = 16_384;

/** The data of a progress event. */
export interface Progress {
  readonly source: string;
  readonly firstLine: number;
  readonly line: number;
  readonly events: number;
  readonly blank?: readonly number[];
  readonly offset: number;
  readonly checksum: number;
  readonly unended?: true;
}

type Lines = Pick<Progress, 'firstLine' | 'line' | 'blank'>;

interface Batch extends Lines {
  readonly ids: readonly string[];
}

interface Found {
  readonly progress: Progress;
  readonly sequence: number;
}

export class LineIds {
  readonly #store: Store;
  readonly #stream: string;
  readonly #recent: Batch[] = [];
  readonly #found = new Cache<number, Found>(KNOWN_BATCHES);
  readonly #ids = new Cache<number, string>(KNOWN_IDS);
  /** The last revision of the progress that is known to be durable. */
  #revision = -1;

  constructor(store: Store, stream: string) {
    this.#store = store;
    this.#stream = stream;
  }

  /**
   * The progress of the last run; undefined if there was none.
   * @throws ERR_PRUNED where retention has removed it: nobody knows then what was ingested
   */
  async last(): Promise<Progress | undefined> {
    const head = await this.#store.head(this.#stream);
    const event = head && (await this.#store.get(head.sequence));
    if (event === undefined) return undefined;
    this.#revision = event.revision;
    return this.#keep(event).progress;
  }

  /** Remember a batch on its way. */
  add(batch: Batch): void {
    this.#recent.push(batch);
    if (this.#recent.length > RECENT_BATCHES) this.#recent.shift();
  }

  /** The progress is durable up to a revision. */
  onDurable(revision: number): void {
    this.#revision = revision;
  }

  /** The id of a line's event; undefined where the line is blank. Not for a line behind the last batch. */
  async find(line: number): Promise<string | undefined> {
    const oldest = this.#recent[0];
    if (oldest !== undefined && line >= oldest.firstLine) {
      const batch = this.#recent.findLast(({ firstLine }) => firstLine <= line)!;
      return batch.ids[placeOf(batch, line)];
    }
    const known = this.#ids.get(line);
    if (known !== undefined) return known;
    const found = await this.#search(line);
    if (found === undefined) return undefined;
    const { progress, sequence } = found;
    const place = placeOf(progress, line);
    if (place === -1) return undefined;
    const event = await this.#store.get(sequence - progress.events + place);
    if (event !== undefined) this.#ids.set(line, event.id);
    return event?.id;
  }

  async #search(line: number): Promise<Found | undefined> {
    let low = 0;
    let high = this.#revision;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const found = await this.#at(middle);
      if (found === undefined) return undefined;
      if (line < found.progress.firstLine) high = middle - 1;
      else if (line >= found.progress.line) low = middle + 1;
      else return found;
    }
    return undefined;
  }

  async #at(revision: number): Promise<Found | undefined> {
    const known = this.#found.get(revision);
    if (known !== undefined) return known;
    const range = { fromRevision: revision, toRevision: revision };
    const event = await this.#store.readStream(this.#stream, range).first();
    return event === undefined ? undefined : this.#keep(event);
  }

  #keep(event: RecordedEvent): Found {
    const found = { progress: event.data as Progress, sequence: event.sequence };
    this.#found.set(event.revision, found);
    return found;
  }
}

/** The place of a line's event among those of its batch; -1 where the line is blank. */
function placeOf({ firstLine, blank }: Lines, line: number): number {
  if (blank === undefined) return line - firstLine;
  if (blank.includes(line)) return -1;
  return line - firstLine - blank.filter((number) => number < line).length;
}

/** Keeps what was set last. */
class Cache<K, V> {
  readonly #limit: number;
  readonly #entries = new Map<K, V>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  get(key: K): V | undefined {
    return this.#entries.get(key);
  }

  set(key: K, value: V): void {
    if (this.#entries.size >= this.#limit) this.#entries.delete(this.#entries.keys().next().value!);
    this.#entries.set(key, value);
  }
}
