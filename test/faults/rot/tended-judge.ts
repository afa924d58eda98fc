/**
 * The judge of a tended store that is damaged: opens it, reads it in every way, asks what is known of what is gone, appends,
 * proves, and opens it again. What it shows must be what was written, and what it cannot show an error that names a file which was
 * hit. What is not found out by that, or by verify, must do no harm at all.
 */
import path from 'node:path';
import { isKeeperError, type RecordedEvent, type Rows, type Store } from '../../../dist/main/index.js';
import { openStoreOn } from '../../../dist/main/store.js';
import { KEY_FILE, MANIFEST_FILE, sealedFile, segmentNumber } from '../../../dist/shared/format/file-names.js';
import { verifyProof } from '../../../dist/shared/portable/proof/index.js';
import { InlineRuntime } from '../../crash/inline-runtime.js';
import type { MemoryDisk } from '../../crash/memory-disk.js';
import { DIR } from '../../crash/session.js';
import { type Known, knownOf } from './bases.js';
import type { Damage } from './damage.js';
import { diskOf, filesOf, sameFiles } from './files.js';
import type { Verdict } from './judge.js';
import { TENDED_OPTIONS, type Tended } from './tended.js';

const TYPED: ReadonlySet<string> = new Set(['ERR_CORRUPT', 'ERR_UNSUPPORTED_FORMAT']);

/** @throws an Error that names the damage, where anything is not as it must be */
export async function judgeTended(base: Tended, damage: Damage): Promise<Verdict> {
  try {
    const reader = new TendedJudge(base, damage);
    const reading = await reader.reading();
    const writing = await new TendedJudge(base, damage).writing(reading);
    return { reading, writing };
  } catch (error) {
    throw new Error(`${base.name} store, ${damage.what}: ${(error as Error).message}`, { cause: error });
  }
}

function insist(holds: boolean, what: () => string): asserts holds {
  if (!holds) throw new Error(what());
}

class TendedJudge {
  readonly #base: Tended;
  readonly #damage: Damage;
  readonly #disk: MemoryDisk;
  /** What is to be read, with what is appended. */
  readonly #left: Known[];
  #detected = false;

  constructor(base: Tended, damage: Damage) {
    this.#base = base;
    this.#damage = damage;
    this.#disk = diskOf(damage.files);
    this.#left = [...base.left];
  }

  async reading(): Promise<'harmless' | 'detected'> {
    const store = await this.#open(true);
    if (store !== undefined) {
      await this.#readAll(store);
      const isHarmed = this.#detected;
      const isFound = await this.#verify(store);
      insist(isFound || !isHarmed, () => 'reads have failed, and verify finds nothing');
      await store.close();
    }
    insist(sameFiles(filesOf(this.#disk), this.#damage.files), () => 'reading has changed the files');
    return this.#detected ? 'detected' : 'harmless';
  }

  /** @param reading what was found out by who only reads */
  async writing(reading: 'harmless' | 'detected'): Promise<'harmless' | 'detected'> {
    const store = await this.#open(false);
    if (store === undefined) {
      insist(sameFiles(filesOf(this.#disk), this.#damage.files), () => 'it was refused, and the files were changed');
      insist(reading === 'detected', () => 'it is refused to who writes, and who reads finds nothing');
      return 'detected';
    }
    await this.#readAll(store);
    await this.#repeatKeys(store);
    await this.#appendAll(store);
    await this.#proveAll(store);
    await store.close();
    // The key is read by who signs alone: others may not be allowed to.
    const isKey = this.#damage.hit.has(KEY_FILE);
    const isKnown = reading === 'detected' || isKey || !this.#detected;
    insist(isKnown, () => 'writing finds what neither reads nor verify have found');
    const again = await this.#open(true);
    insist(again !== undefined, () => 'it was closed, and is refused');
    await this.#readAll(again);
    const isFound = await this.#verify(again);
    insist(reading === 'detected' || !isFound, () => 'there was nothing to find, and now there is');
    await again.close();
    return this.#detected ? 'detected' : 'harmless';
  }

  async #open(readOnly: boolean): Promise<Store | undefined> {
    try {
      return await openStoreOn({ ...TENDED_OPTIONS, readOnly }, new InlineRuntime(this.#disk));
    } catch (error) {
      this.#expectTyped(error, 'opening');
      return undefined;
    }
  }

  /** Returns whether it finds anything. */
  async #verify(store: Store): Promise<boolean> {
    const { ok, problems } = await store.verify({ deep: true });
    insist(ok === (problems.length === 0), () => `verify says ok: ${ok}, with ${problems.length} problems`);
    const [problem] = problems;
    if (problem === undefined) return false;
    this.#detected = true;
    const names = problems.map(({ file }) => path.relative(DIR, file));
    insist(
      names.some((name) => this.#isHit(name)),
      () => `verify blames ${names}: ${problem.message}`,
    );
    return true;
  }

  #expectTyped(error: unknown, doing: string): void {
    insist(
      isKeeperError(error) && TYPED.has(error.code),
      () => `${doing} failed with ${(error as Error)?.stack ?? error}`,
    );
    this.#detected = true;
    if (!isKeeperError(error, 'ERR_CORRUPT')) return;
    const file = path.relative(DIR, error.file);
    const { hit } = this.#damage;
    insist(this.#isHit(file), () => `${doing} blames ${file}, and not ${[...hit].join(' or ')}: ${error.message}`);
  }

  /** Of a segment that is missing nobody knows whether it was sealed, and of one that an earlier manifest names, that it has gone. */
  #isHit(name: string): boolean {
    const number = segmentNumber(name);
    const { hit, files } = this.#damage;
    const sealed = number === undefined ? undefined : sealedFile(number);
    if (hit.has(MANIFEST_FILE) && !files.has(name)) return true;
    return hit.has(name) || (sealed !== undefined && hit.has(sealed) && !files.has(sealed) && !files.has(name));
  }

  async #try(doing: string, run: () => Promise<void>): Promise<void> {
    try {
      await run();
    } catch (error) {
      if (error instanceof Error && !isKeeperError(error)) throw error;
      this.#expectTyped(error, doing);
    }
  }

  async #rows(doing: string, rows: Rows<RecordedEvent<any>>, expected: readonly Known[]): Promise<void> {
    let count = 0;
    await this.#try(doing, async () => {
      for await (const event of rows) {
        const known = expected[count++];
        insist(known !== undefined, () => `${doing} gives event ${event.id}, which is one too many`);
        this.#same(event, known, `${doing}, row ${count}`);
      }
      insist(count === expected.length, () => `${doing} ends after ${count} of ${expected.length} events`);
    });
  }

  #same(event: RecordedEvent<any>, known: Known, what: string): void {
    const { json } = knownOf(event);
    insist(json === known.json, () => `${what} is ${json.slice(0, 300)}, and not ${known.json.slice(0, 300)}`);
  }

  async #readAll(store: Store): Promise<void> {
    const left = this.#left;
    const { gone, floor } = this.#base;
    await this.#rows('reading forwards', store.read(), left);
    await this.#rows('reading backwards', store.read({}, { direction: 'backwards' }), left.toReversed());
    const streams = [...new Set(left.map(({ stream }) => stream))];
    for (const stream of [...streams, ...gone]) {
      const own = left.filter((event) => event.stream === stream);
      await this.#rows(`stream ${stream}`, store.readStream(stream), own);
      const backwards = store.readStream(stream, { direction: 'backwards' });
      await this.#rows(`stream ${stream} backwards`, backwards, own.toReversed());
      await this.#try(`the head of ${stream}`, () => this.#checkHead(store, stream, own.at(-1)));
    }
    for (const type of ['Happened', 'Keyed', '$tombstone']) {
      const own = left.filter((event) => event.type === type);
      await this.#rows(`type ${type}`, store.read({ types: [type] }), own);
      await this.#rows(`a query for ${type}`, store.query({ where: { type: { eq: type } } }), own);
    }
    const doomed = left.filter((event) => JSON.parse(event.json).tags.includes('doomed'));
    await this.#rows('what was deleted', store.read({ tags: 'doomed' }), doomed);
    await this.#try('a count', async () => {
      const [counted] = await store.query({ aggregate: { count: true }, where: {} }).toArray();
      insist(
        Reflect.get(counted!, 'count') === left.length,
        () => `${JSON.stringify(counted)} of ${left.length} are counted`,
      );
    });
    await this.#try('the streams', async () => {
      const found = (await store.streams().toArray()).map(({ stream, revision }) => `${stream} ${revision}`);
      const last = new Map(left.map((event) => [event.stream, event]));
      const there = [...last.values()].filter(({ type }) => type !== '$tombstone');
      const expected = there.map(({ stream, revision }) => `${stream} ${revision}`).sort();
      insist(found.join() === expected.join(), () => `the streams are ${found}, not ${expected}`);
    });
    const last = Number(left.at(-1)!.id.split('_')[1]);
    for (let sequence = 1; sequence <= last; sequence++) {
      if (sequence < floor - 1) continue;
      await this.#try(`event ${sequence}`, () => this.#get(store, sequence));
    }
  }

  async #checkHead(store: Store, stream: string, known: Known | undefined): Promise<void> {
    let is: string | undefined;
    try {
      const head = await store.head(stream);
      is = head && `${head.id} ${head.revision}`;
    } catch (error) {
      if (!isKeeperError(error, 'ERR_PRUNED')) throw error;
      is = error.code;
    }
    const meant = known === undefined ? 'ERR_PRUNED' : `${known.id} ${known.revision}`;
    insist(is === meant, () => `the head of ${stream} is ${is}, not ${meant}`);
  }

  async #get(store: Store, sequence: number): Promise<void> {
    const known = this.#left.find(({ id }) => Number(id.split('_')[1]) === sequence);
    let event: RecordedEvent<any> | undefined;
    try {
      event = await store.get(sequence);
    } catch (error) {
      if (!isKeeperError(error, 'ERR_PRUNED')) throw error;
      insist(sequence < this.#base.floor, () => `event ${sequence} is below the floor ${error.floor}`);
      return;
    }
    insist(sequence >= this.#base.floor, () => `event ${sequence} is there, though it is gone`);
    insist(
      (event === undefined) === (known === undefined),
      () => `event ${sequence} is ${event?.id}, not ${known?.id}`,
    );
    if (event !== undefined) this.#same(event, known!, `event ${sequence}`);
  }

  /** A repeated call gets its first result, or is refused for the damage. */
  async #repeatKeys(store: Store): Promise<void> {
    for (const { stream, events, ids } of this.#base.keyed) {
      await this.#tryAppend(store, `the key ${events[0]!.idempotencyKey} again`, async () => {
        const again = await store.append(stream, [...events]);
        const is = `${again.duplicate} ${again.ids}`;
        insist(is === `true ${ids}`, () => `a repeated call gives ${is}, not ${ids}`);
      });
    }
  }

  /** Each stream goes on at its revision, whether anything is left of it or not. */
  async #appendAll(store: Store): Promise<void> {
    for (const [stream, revision] of [...this.#base.revisions, ['another', 'none'] as const]) {
      await this.#tryAppend(store, `an append to ${stream}`, async () => {
        // What is gone, or deleted, does not count.
        const condition = { match: { streams: ['gone', 'doomed'], types: ['Happened', 'Keyed'] } };
        const { ids } = await store.append(
          stream,
          { type: 'After', data: { stream } },
          { expect: revision, condition },
        );
        const event = await store.get(ids[0]!);
        insist(
          event?.revision === (revision === 'none' ? 0 : revision + 1),
          () => `${stream} goes on at ${event?.revision}`,
        );
        this.#left.push(knownOf(event));
      });
    }
  }

  /** An append may meet damage as well: then there is nothing of it. */
  async #tryAppend(store: Store, doing: string, run: () => Promise<void>): Promise<void> {
    const before = store.stats().durable;
    await this.#try(doing, async () => {
      try {
        await run();
      } catch (error) {
        if (isKeeperError(error) && TYPED.has(error.code)) {
          insist(error.outcome === 'not-appended', () => `${doing}: outcome ${error.outcome}`);
          insist(store.stats().durable === before, () => `${doing} failed, and something was appended`);
        }
        throw error;
      }
    });
  }

  /** What is gone, or was removed, is proven as what is there. */
  async #proveAll(store: Store): Promise<void> {
    const { digests, publicKey } = this.#base;
    let keys = publicKey;
    await this.#try('a checkpoint', async () => {
      const checkpoint = await store.checkpoint();
      // One that is missing is made anew, which other people must be told of.
      const isLost = !this.#damage.files.has(KEY_FILE);
      const isSame = checkpoint.publicKey === publicKey;
      insist(isSame !== isLost, () => `the key is ${checkpoint.publicKey}, and was ${publicKey}`);
      keys = checkpoint.publicKey;
    });
    for (const [sequence, digest] of digests) {
      await this.#try(`the proof of event ${sequence}`, async () => {
        const proof = await store.prove(sequence).catch((error: unknown) => {
          // Of deleted events nothing is told, whether they were removed or not.
          if (isKeeperError(error, 'ERR_NOT_FOUND') && !this.#isLeft(sequence)) return undefined;
          throw error;
        });
        if (proof !== undefined) await verifyProof(proof, { keys, digest });
      });
    }
  }

  #isLeft(sequence: number): boolean {
    return this.#left.some(({ id }) => Number(id.split('_')[1]) === sequence);
  }
}
