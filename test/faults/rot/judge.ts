/**
 * The judge of a damaged store: opens it, reads it in every way, appends, and opens it again. Whatever it shows must be what
 * was written; whatever it cannot show must be an error that says which file, and which sequences.
 */
import path from 'node:path';
import { isKeeperError, type KeeperError, type RecordedEvent, type Store } from '../../../dist/main/index.js';
import { type Base, type Frame, type Known, knownOf } from './bases.js';
import type { Damage } from './damage.js';
import { type Files, sameFiles } from './files.js';
import { endOfLog, type LogEnd } from './model.js';
import { inMemory, type Place } from './place.js';

/** What became of a damage. */
export interface Verdict {
  readonly reading: 'harmless' | 'detected';
  readonly writing: 'harmless' | 'detected';
}

/** @throws an Error that names the damage, where anything is not as it must be */
export async function judge(base: Base, damage: Damage, put: (files: Files) => Place = inMemory): Promise<Verdict> {
  try {
    const end = await endOfLog(damage.files);
    const lost = base.frames.filter((frame) => !isServed(end, frame) || !isIntact(base, damage, frame));
    return {
      reading: await new Judge(base, damage, end, lost).reading(put(damage.files)),
      writing: await new Judge(base, damage, end, lost).writing(put(damage.files)),
    };
  } catch (error) {
    throw new Error(`${base.name} store, ${damage.what}: ${(error as Error).message}`, { cause: error });
  }
}

/** Of a segment that is lost nothing is served, though its frames may be there: they are for a repair. */
function isServed(end: LogEnd, { file }: Frame): boolean {
  return end.kind !== 'found' || !end.lost.includes(file);
}

function isIntact(base: Base, { files }: Damage, { file, offset, end }: Frame): boolean {
  const bytes = files.get(file);
  return bytes?.subarray(offset, end).equals(base.files.get(file)!.subarray(offset, end)) === true;
}

function insist(holds: boolean, what: () => string): asserts holds {
  if (!holds) throw new Error(what());
}

const TYPED: ReadonlySet<string> = new Set(['ERR_CORRUPT', 'ERR_UNSUPPORTED_FORMAT']);

class Judge {
  readonly #base: Base;
  readonly #damage: Damage;
  readonly #end: LogEnd;
  /** Frames of the log that are not as they were. */
  #lost: readonly Frame[];
  /** What the log must hold, with what is appended to it. */
  readonly #events: Known[];
  #detected = false;

  constructor(base: Base, damage: Damage, end: LogEnd, lost: readonly Frame[]) {
    this.#base = base;
    this.#damage = damage;
    this.#end = end;
    this.#lost = lost;
    this.#events = [...base.events];
  }

  async reading(place: Place): Promise<'harmless' | 'detected'> {
    const store = await this.#open(place, true);
    if (store !== undefined) {
      insist(this.#end.kind === 'found', () => 'it was opened, though its files do not make a log');
      const { durable } = store.stats();
      const least = Math.min(this.#end.durable, this.#base.events.length);
      insist(durable >= least, () => `only ${durable} events are served, where ${least} are durable`);
      await this.#readAll(store, durable);
      await store.close();
    }
    insist(sameFiles(place.files(), this.#damage.files), () => 'reading has changed the files');
    return this.#detected ? 'detected' : 'harmless';
  }

  async writing(place: Place): Promise<'harmless' | 'detected'> {
    const store = await this.#open(place, false);
    const end = this.#end;
    if (store === undefined) {
      insist(sameFiles(place.files(), this.#damage.files), () => 'it was refused, and the files were changed');
      return 'detected';
    }
    const isWhole = end.kind === 'found' && end.last >= end.durable && end.lost.length === 0;
    insist(isWhole, () => 'it was opened for writing, though durable events are lost');
    this.#events.length = Math.min(end.last, this.#events.length);
    // What was a torn tail is none of the log any more.
    this.#lost = this.#lost.filter(({ firstSequence }) => firstSequence <= end.last);
    await store.flush();
    const { tornFile } = store.stats().recovery;
    insist(
      (tornFile !== undefined) === end.tail,
      () => `the torn file is ${tornFile}, and there is ${end.tail ? 'a' : 'no'} tail`,
    );
    if (tornFile !== undefined) await this.#expectNote(store);
    await this.#rows('reading', store.read(), this.#served(store.stats().durable));
    await this.#append(store);
    await store.close();
    const again = await place.open(false);
    insist(again.stats().recovery.clean, () => 'it was closed, and is not clean');
    await this.#readAll(again, again.stats().durable);
    await again.close();
    return this.#detected ? 'detected' : 'harmless';
  }

  async #open(place: Place, readOnly: boolean): Promise<Store | undefined> {
    try {
      return await place.open(readOnly);
    } catch (error) {
      this.#expectTyped(error, 'opening');
      const end = this.#end;
      const isDamaged = end.kind === 'found' && (end.last < end.durable || end.lost.length + this.#lost.length > 0);
      const mayRefuse = end.kind === 'refused' || (!readOnly && isDamaged);
      insist(mayRefuse, () => `opening was refused without need: ${(error as Error).message}`);
      return undefined;
    }
  }

  /** An error that says what is damaged. */
  #expectTyped(error: unknown, doing: string): KeeperError {
    insist(
      isKeeperError(error) && TYPED.has(error.code),
      () => `${doing} failed with ${(error as Error)?.stack ?? error}`,
    );
    this.#detected = true;
    if (isKeeperError(error, 'ERR_CORRUPT')) {
      const file = path.basename(error.file);
      const { hit } = this.#damage;
      insist(hit.has(file), () => `${doing} blames ${file}, and not ${[...hit].join(' or ')}: ${error.message}`);
    }
    return error;
  }

  /** An error that says which sequences do not verify: some of those that are lost. */
  #expectRange(error: unknown, doing: string): { first: number; last: number } {
    this.#expectTyped(error, doing);
    const { firstSequence: first, lastSequence: last } = error as KeeperError & {
      firstSequence: number;
      lastSequence: number;
    };
    const holds = this.#lost.some((frame) => frame.firstSequence <= last && frame.lastSequence >= first);
    insist(holds, () => `${doing} blames sequences ${first} to ${last}, which are intact`);
    return { first, last };
  }

  /** Read the store in every way there is, up to a sequence. */
  async #readAll(store: Store, durable: number): Promise<void> {
    const served = this.#served(durable);
    const report = await store.verify({ deep: true });
    // What follows from the first one may be met elsewhere.
    const [problem] = report.problems;
    if (problem !== undefined) {
      const file = path.basename(problem.file);
      insist(this.#damage.hit.has(file), () => `verify blames ${file}: ${problem.message}`);
    }
    const lost = this.#lost.filter(({ firstSequence }) => firstSequence <= durable);
    insist(
      report.ok === (lost.length === 0),
      () => `verify says ok: ${report.ok}, with ${lost.length} frames lost: ${JSON.stringify(report.problems)}`,
    );
    if (!report.ok) this.#detected = true;

    await this.#rows('reading forwards', store.read(), served);
    await this.#rows('reading backwards', store.read({}, { direction: 'backwards' }), served.toReversed());
    for (const stream of new Set(served.map((event) => event.stream))) {
      const own = served.filter((event) => event.stream === stream);
      await this.#rows(`stream ${stream}`, store.readStream(stream), own);
      await this.#rows(
        `stream ${stream} backwards`,
        store.readStream(stream, { direction: 'backwards' }),
        own.toReversed(),
      );
      await this.#try(`head of ${stream}`, async () => {
        const head = await store.head(stream);
        const { id, revision } = own.at(-1)!;
        insist(head?.id === id && head.revision === revision, () => `the head of ${stream} is ${JSON.stringify(head)}`);
      });
    }
    for (const type of ['Happened', 'Keyed']) {
      const own = served.filter((event) => event.type === type);
      await this.#rows(`type ${type}`, store.read({ types: [type] }), own);
    }
    await this.#try('the head', async () => {
      const head = await store.head();
      insist(head?.id === served.at(-1)?.id, () => `the head is ${JSON.stringify(head)}`);
    });
    await this.#try('the streams', async () => {
      const found = (await store.streams().toArray()).map(({ stream, revision }) => `${stream} ${revision}`);
      const last = new Map(served.map(({ stream, revision }) => [stream, revision]));
      const expected = [...last]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([stream, revision]) => `${stream} ${revision}`);
      insist(found.join() === expected.join(), () => `the streams are ${found}`);
    });
    await this.#getEach(store, served);
  }

  /** The events up to a sequence. */
  #served(durable: number): Known[] {
    insist(durable <= this.#events.length, () => `${durable} events, where there were ${this.#events.length}`);
    return this.#events.slice(0, durable);
  }

  async #getEach(store: Store, served: readonly Known[]): Promise<void> {
    for (const [index, known] of served.entries()) {
      const sequence = index + 1;
      try {
        const event = await store.get(sequence);
        insist(event !== undefined, () => `event ${sequence} is not there`);
        this.#same(event, known, `event ${sequence}`);
      } catch (error) {
        if (!isKeeperError(error)) throw error;
        const { first, last } = this.#expectRange(error, `get ${sequence}`);
        insist(first <= sequence && sequence <= last, () => `get ${sequence} blames sequences ${first} to ${last}`);
        const isLost = this.#lost.some((frame) => frame.firstSequence <= sequence && sequence <= frame.lastSequence);
        insist(isLost, () => `event ${sequence} is intact, and not served: ${error.message}`);
      }
    }
  }

  /** Rows must be those that are expected, one after the other; they end early with an error alone. */
  async #rows(doing: string, rows: AsyncIterable<RecordedEvent<any>>, expected: readonly Known[]): Promise<void> {
    let count = 0;
    try {
      for await (const event of rows) {
        insist(count < expected.length, () => `${doing} gives event ${event.id}, which is one too many`);
        this.#same(event, expected[count]!, `${doing}, row ${count}`);
        count++;
      }
    } catch (error) {
      if (!isKeeperError(error)) throw error;
      this.#expectRange(error, doing);
      return;
    }
    insist(count === expected.length, () => `${doing} ends after ${count} of ${expected.length} events`);
  }

  async #try(doing: string, run: () => Promise<void>): Promise<void> {
    try {
      await run();
    } catch (error) {
      if (!isKeeperError(error)) throw error;
      this.#expectRange(error, doing);
    }
  }

  #same(event: RecordedEvent<any>, known: Known, what: string): void {
    const { json } = knownOf(event);
    insist(json === known.json, () => `${what} is ${json}, and not ${known.json}`);
  }

  /** What the store records about a torn tail that it has set aside. */
  async #expectNote(store: Store): Promise<void> {
    const note = await store.get(this.#events.length + 1);
    insist(note?.type === 'TornTailSetAside', () => `the torn tail was not recorded, but ${note?.type}`);
    this.#events.push(knownOf(note));
  }

  /** Append to every stream at the revision where it must be, to a new one, and every key once more. */
  async #append(store: Store): Promise<void> {
    const last = new Map<string, number>();
    const keys = new Map<string, Known>();
    for (const event of this.#events) {
      if (event.stream !== '$store') last.set(event.stream, event.revision);
      if (event.key !== undefined) keys.set(event.key, event);
    }
    for (const [key, event] of keys) {
      await this.#tryAppend(store, `the key ${key} again`, async () => {
        const { duplicate, ids } = await store.append(event.stream, {
          type: 'Keyed',
          data: { key },
          idempotencyKey: key,
        });
        insist(duplicate && ids[0] === event.id, () => `the key ${key} gives ${ids[0]}, duplicate: ${duplicate}`);
      });
    }
    for (const [stream, revision] of [...last, ['new', 'none'] as const]) {
      await this.#tryAppend(store, `append to ${stream}`, async () => {
        const { ids } = await store.append(stream, { type: 'After', data: { stream } }, { expect: revision });
        const event = await store.get(ids[0]!);
        insist(event?.sequence === this.#events.length + 1, () => `the append got sequence ${event?.sequence}`);
        const expected = revision === 'none' ? 0 : revision + 1;
        insist(event.revision === expected, () => `the append got revision ${event.revision} of ${stream}`);
        this.#events.push(knownOf(event));
      });
    }
  }

  /** An append may meet damage as well: then there is nothing of it. */
  async #tryAppend(store: Store, doing: string, run: () => Promise<void>): Promise<void> {
    const before = this.#events.length;
    try {
      await run();
    } catch (error) {
      if (!isKeeperError(error)) throw error;
      this.#expectTyped(error, doing);
      insist(error.outcome === 'not-appended', () => `${doing}: outcome ${error.outcome}`);
      insist(store.stats().durable === before, () => `${doing} failed, and something was appended`);
    }
  }
}
