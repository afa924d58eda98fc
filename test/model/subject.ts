/** A store beside its model: what is done to the one is done to the other, and what the store says is compared. */
import { expect } from 'vitest';
import { isKeeperError, type RecordedEvent, type Store, type StoreOptions } from '../../dist/main/index.js';
import { difference, learnId, same } from './compare.js';
import { seen } from './expected.js';
import { call, choose, errorOf, type Flight, Flights } from './flights.js';
import { Floors, type Looking } from './floors.js';
import { LIMITS, Model, type Request, type Verdict } from './model.js';
import type { Cursor } from './queries.js';
import { type Crash, patiently, resetTime, type World } from './worlds.js';

/** What may differ from one opening to the next. */
export type Opening = Pick<
  StoreOptions,
  'dataCodec' | 'cacheBytes' | 'indexBytes' | 'durability' | 'compression' | 'retention'
>;

/** Stands between the store and who uses it. */
export type Wrap = (store: Store, opening: number) => Store;

export class Subject {
  readonly world: World;
  readonly model = new Model();
  store!: Store;
  follower: Store | undefined;
  /** The follower has shown so many events. */
  followed = 0;
  /** Calls with keys, to be repeated. */
  readonly keyed: Request[] = [];
  /** Of pages of queries. */
  readonly cursors: Cursor[] = [];
  commands = 0;
  /** Deleted events that are gone. */
  #removed = 0;
  readonly #wrap: Wrap;
  #opening: Opening = {};
  #openings = 0;
  /** Whether there may be tombstones that are in no file yet: a follower does not know of them. */
  #isUnfiled = false;
  readonly #flights = new Flights(this.model);
  readonly floors: Floors;

  constructor(world: World, wrap: Wrap = (store) => store) {
    this.world = world;
    this.#wrap = wrap;
    this.floors = new Floors(this.model, world.dir);
  }

  async open(opening: Opening): Promise<void> {
    this.#opening = opening;
    const options = { ...LIMITS, ...opening };
    if (!this.world.prompt) this.#freeDisk();
    let store: Store;
    try {
      store = await this.world.open(options);
    } catch (error) {
      // There may be no space for what opening writes.
      if (!(this.model.mayBeFull && Reflect.get(error as object, 'errno') === 'ENOSPC')) throw error;
      this.world.free();
      store = await this.world.open(options);
    }
    this.#freeDisk();
    this.store = this.#wrap(store, this.#openings++);
    this.model.codec = opening.dataCodec ?? 'msgpack';
    this.floors.opened(this.store.stats().floor, opening.retention);
  }

  /** Have the store do something that appends, and go on at once: what it says to that is checked when it does. */
  async begin(given: Request): Promise<void> {
    const request = { ...given, durability: this.#durabilityOf(given) };
    if (request.parts.some(({ events }) => events.some(({ idempotencyKey }) => idempotencyKey !== undefined))) {
      this.keyed.push(given);
    }
    // A condition goes by what is durable of them.
    if (request.condition !== undefined) await this.settleDeletions('store');
    let verdicts = this.#judge(request);
    const endsAtOnce = request.how === 'enqueue' || request.how === 'appendSync';
    // With a condition it takes its place when that is checked, which may be after others.
    const isSure = verdicts.length === 1 && (endsAtOnce || request.condition === undefined);
    if (!isSure && !endsAtOnce) {
      await this.settle();
      verdicts = this.#judge(request);
    }
    const returned = call(this.store, given);
    const { result } = returned;
    let verdict = verdicts[0]!;
    if (endsAtOnce) verdict = choose(verdicts, result instanceof Error ? result : undefined);
    else if (!isSure) {
      const error = await errorOf(result);
      // What has gone meanwhile does not count in a condition.
      if (this.store.stats().floor !== this.model.floor) verdicts = [...verdicts, ...this.#judge(request)];
      if (verdicts.length > 1) verdict = choose(verdicts, error);
    }
    this.#flights.add(request, verdict, returned);
    if (this.model.mayBeFull || !(isSure || endsAtOnce)) await this.settle();
  }

  /** Wait until everything is durable that is to be, or is given up. */
  async settle(): Promise<void> {
    const flights = await this.#flights.land();
    let refused = flights.some(({ lost }) => lost);
    this.#isUnfiled ||= flights.some(({ unfiled }) => unfiled);
    try {
      await this.store.flush();
    } catch (error) {
      if (!this.model.mayBeFull || !isKeeperError(error, 'ERR_DEGRADED')) throw error;
      refused = true;
    }
    this.throwProblems();
    if (refused || (this.model.mayBeFull && this.store.stats().mode === 'suspended'))
      await this.#seeSuspension(flights);
    else this.model.seeDurable(this.model.log.length);
    const { mode, accepted, durable, pending, waiting } = this.store.stats();
    const { length } = this.model.log;
    same(
      `${mode}, ${accepted} accepted, ${durable} durable, ${pending} pending, ${waiting} waiting`,
      `${this.model.suspended ? 'suspended' : 'open'}, ${length} accepted, ${length} durable, 0 pending, 0 waiting`,
      'the store',
    );
    this.model.rest();
  }

  /** Wait until what is being deleted is, for whoever is going to read. */
  async settleDeletions(via: 'store' | 'follower'): Promise<void> {
    if (via === 'store') {
      if (this.model.isDeleting()) await this.settle();
    } else if (this.follower !== undefined && (this.#isUnfiled || this.model.isDeleting(this.followed)))
      await this.catchUp();
  }

  /** There is space again: the store is to go on by itself. */
  async free(): Promise<void> {
    await this.settle();
    this.#freeDisk();
    if (!this.model.suspended) return;
    while (this.store.stats().mode === 'suspended') await this.world.idle();
    this.model.suspended = false;
    await this.store.flush();
    const [note] = await this.store.read({}, { from: 'end' }).toArray();
    expect(note).toMatchObject({ stream: '$store', type: 'WritesResumed', data: { durable: this.model.log.length } });
    this.#flights.takeNote(note!);
    await this.settle();
  }

  /** Append, and abort before the call or after its acceptance. */
  async abort(request: Request, before: boolean): Promise<void> {
    await this.settle();
    const verdicts = this.#judge(request);
    if (verdicts.length > 1 || verdicts[0]!.kind !== 'accepted') return;
    const controller = new AbortController();
    if (before) controller.abort();
    const { stream, events } = request.parts[0]!;
    const ended = errorOf(this.store.append(stream, events, { durability: 'synced', signal: controller.signal }));
    controller.abort();
    expect(await ended).toMatchObject({ code: 'ERR_ABORTED', outcome: before ? 'not-appended' : 'unknown' });
    if (before) return;
    this.model.begin(request);
    this.model.accept(request);
  }

  async verify(): Promise<void> {
    await this.settle();
    const looking = this.look('store');
    const { ok, events, problems } = await this.store.verify({ deep: true });
    expect(problems).toEqual([]);
    expect(ok).toBe(true);
    const counts = looking.views().flatMap(({ floor }) => this.#countsFrom(floor));
    expect(events, 'events that were verified').toBeGreaterThanOrEqual(Math.min(...counts));
    expect(events, 'events that were verified').toBeLessThanOrEqual(Math.max(...counts));
  }

  /** How many events there may be from a floor on: at least, and at most. */
  #countsFrom(floor: number): [least: number, most: number] {
    const { log } = this.model;
    const left = log.length - floor + 1;
    // Deleted events that are gone may have been below it.
    const deleted = left - seen({ log, floor }).length;
    const deletedBelow = log.length - seen({ log, floor: 1 }).length - deleted;
    return [left - Math.min(deleted, this.#removed), left - Math.max(0, this.#removed - deletedBelow)];
  }

  /** Deleted events go out of what is full, of which nothing is to be seen but that there are fewer. */
  async compact(): Promise<void> {
    await this.settle();
    const before = this.#removed;
    const onProgress = ({ events }: { events: number }): void => {
      this.#removed = before + events;
    };
    await this.#orNoSpace(async () => {
      const { events } = await this.store.compact({ onProgress });
      expect(this.#removed).toBe(before + events);
    });
  }

  async seal(): Promise<void> {
    await this.settle();
    await this.#orNoSpace(() => this.store.seal());
  }

  /** There may be no space for what something writes. */
  async #orNoSpace(doing: () => Promise<unknown>): Promise<void> {
    try {
      await doing();
    } catch (error) {
      if (!(this.model.mayBeFull && Reflect.get(error as object, 'errno') === 'ENOSPC')) throw error;
    }
  }

  async close(): Promise<void> {
    const { store } = this;
    await store.close();
    const flights = await this.#flights.land();
    this.throwProblems();
    const { durable } = store.stats();
    if (flights.some(({ lost }) => lost) || this.model.mayBeFull) this.#flights.giveUpBehind(durable, flights);
    expect(durable, 'what was durable at the end').toBe(this.model.log.length);
    this.model.seeDurable(durable);
    this.model.suspended = false;
  }

  /** The process ends, and another one opens the store: it must show all that was promised, and nothing that was not meant. */
  async crash(crash: Crash, opening: Opening, { condition: _, ...last }: Request): Promise<void> {
    const { model } = this;
    const verdicts = model.judge(last);
    if (crash.kind === 'process' && crash.when !== 'now' && verdicts.length === 1 && verdicts[0]!.kind === 'accepted') {
      const death = this.world.armDeath(crash.when);
      await this.begin(last);
      await death;
    }
    this.throwProblems();
    const least = crash.kind === 'process' ? model.written : model.durable;
    if (crash.kind === 'power') await this.unfollow();
    const { store } = this;
    const { durable } = this.floors;
    await this.world.crash(crash);
    this.#flights.drop();
    model.suspended = false;
    await this.open(opening);
    this.#expectFloor(durable, store.stats().floor);
    await this.#takeOver(least);
    this.#isUnfiled = model.isDeleting(0);
  }

  async reopen(opening: Opening): Promise<void> {
    await this.close();
    for (const call of [() => this.store.head(), () => this.store.append('a', { type: 't' })]) {
      expect(await errorOf(call() as Promise<never>)).toMatchObject({ code: 'ERR_CLOSED' });
    }
    // The next process knows what is durable, and not which ids were given up with a full disk.
    this.#flights.drop();
    const { floor } = this.store.stats();
    await this.open(opening);
    this.#expectFloor(floor, floor);
    await this.#takeOver(this.model.log.length);
  }

  /** What the store shows of a log that was cut off is what the model goes on with. */
  async #takeOver(least: number): Promise<void> {
    const { model } = this;
    await this.store.flush();
    const looking = this.look('store');
    const rows = await this.store.read().toArray();
    const torn = this.store.stats().recovery.tornFile === undefined ? [] : [rows.pop()];
    const last = rows.at(-1)?.sequence ?? looking.views()[0]!.floor - 1;
    expect(last, 'events after the crash: at least').toBeGreaterThanOrEqual(least);
    expect(last, 'events after the crash: at most').toBeLessThanOrEqual(model.log.length);
    expect(model.isWhole(last), `no call is cut by the crash at ${last}`).toBe(true);
    model.cutTo(last);
    this.#checkLog(rows, looking);
    for (const note of torn) {
      expect(note).toMatchObject({ stream: '$store', type: 'TornTailSetAside' });
      this.#flights.takeNote(note!);
    }
    await this.settle();
  }

  /** After a crash, or a close, the log begins where it was to, unless it goes on to lose its beginning. */
  #expectFloor(least: number, most: number): void {
    const { floor } = this.store.stats();
    expect(floor, 'the floor: at least').toBeGreaterThanOrEqual(least);
    if (!this.model.mayLose) expect(floor, 'the floor: at most').toBeLessThanOrEqual(most);
  }

  async follow(): Promise<void> {
    if (this.follower !== undefined) return;
    this.follower = await this.world.follow();
    this.followed = 0;
  }

  async unfollow(): Promise<void> {
    await this.follower?.close();
    this.follower = undefined;
  }

  /** Everything is durable: the follower is to see it. */
  async catchUp(): Promise<void> {
    await this.settle();
    if (this.follower !== undefined && this.#isUnfiled) {
      // One more has all of them in the file.
      await this.free();
      const parts = [{ stream: 'unfiled', events: [{ type: '$tombstone' }], expect: 'any' as const }];
      await this.begin({ how: 'deleteStream', parts, durability: 'synced' });
      await this.settle();
      this.#isUnfiled = false;
    }
    const { follower, model } = this;
    if (follower === undefined) return;
    // The writer tells a follower after its own caller.
    const reached = async (): Promise<number> => (await follower.head())?.sequence ?? 0;
    while (!this.world.prompt && (await reached()) < model.log.length) await this.world.idle();
    await this.checkAll('follower');
    this.followed = model.log.length;
    expect(await errorOf(follower.append('a', { type: 't' }))).toMatchObject({
      code: 'ERR_INVALID_OPTIONS',
      path: 'readOnly',
      outcome: 'not-appended',
    });
  }

  /** All is well at the end: now, verified, and opened again. */
  finish(): Promise<void> {
    return patiently(this.world, this.#finish());
  }

  async #finish(): Promise<void> {
    await this.free();
    await this.checkAll('store');
    await this.verify();
    await this.catchUp();
    await this.reopen({});
  }

  /** Let go of everything, whatever has become of it. */
  async abandon(): Promise<void> {
    this.floors.close();
    resetTime();
    await this.unfollow();
    await this.world.crash({ kind: 'process', when: 'now' });
  }

  /** How far the log may be durable, as the writer or the follower shows it: each length that may be seen. */
  lengths(of: 'store' | 'follower'): number[] {
    const least = of === 'store' ? this.model.durable : this.followed;
    const all = Array.from({ length: this.model.log.length - least + 1 }, (_, i) => least + i);
    return all.filter((length) => this.model.isWhole(length));
  }

  /** Somebody was shown that the log is durable so far. */
  see(of: 'store' | 'follower', length: number): void {
    if (of === 'follower') this.followed = Math.max(this.followed, length);
    this.model.seeDurable(length);
  }

  /** What may be seen from now on, by the writer or the follower. */
  look(of: 'store' | 'follower'): Looking {
    return this.floors.look(of === 'store' ? this.store : this.follower!, this.lengths(of));
  }

  /** Compare everything that is durable, and all of that is, with what the model has. */
  async checkAll(of: 'store' | 'follower'): Promise<void> {
    const store = of === 'store' ? this.store : this.follower!;
    for (;;) {
      const looking = this.look(of);
      try {
        this.#checkLog(await store.read().toArray(), looking);
        return;
      } catch (error) {
        // Who follows holds nothing: the log has gone on to begin later meanwhile.
        if (of === 'store' || !isKeeperError(error, 'ERR_PRUNED') || !looking.hasMoved()) throw error;
      }
    }
  }

  /** Compare a whole log with the model's. */
  #checkLog(rows: readonly RecordedEvent[], looking: Looking): void {
    const { log } = this.model;
    const views = looking.views().map(({ floor }) => seen({ log, floor }));
    const left = views.find(({ length }) => length === rows.length) ?? views[0]!;
    same(`${rows.length} events`, `${left.length} events`, 'the log');
    for (const [i, row] of rows.entries()) {
      const entry = left[i]!;
      const differs = difference(row, entry);
      if (differs !== undefined) expect.fail(differs);
      learnId(entry, row.id);
    }
    this.#flights.seeIds(
      rows.map(({ id }) => id),
      '',
    );
  }

  throwProblems(): void {
    this.#flights.throwProblems();
    this.floors.throwProblems();
  }

  #judge(request: Request): Verdict[] {
    this.model.floor = this.store.stats().floor;
    return this.model.judge(request);
  }

  #durabilityOf({ how, durability }: Request): Request['durability'] {
    if (how === 'enqueue') return 'synced';
    return durability ?? this.#opening.durability ?? 'synced';
  }

  /** The disk was found to be full: what is not durable is given up, from some call on. */
  async #seeSuspension(flights: readonly Flight[]): Promise<void> {
    const { mode } = this.store.stats();
    expect(mode).toBe('suspended');
    const durable = (await this.store.head())?.sequence ?? this.store.stats().floor - 1;
    this.#flights.giveUpBehind(durable, flights);
    this.model.suspended = true;
    await this.checkAll('store');
  }

  #freeDisk(): void {
    this.world.free();
    this.model.mayBeFull = false;
  }
}
