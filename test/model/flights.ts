/** Calls that have not ended: what the store says to each is compared with what the model says, when it does. */
import { expect } from 'vitest';
import { type Appended, type ErrorCode, isKeeperError, type Store } from '../../dist/main/index.js';
import { checkAppended, learnId, same } from './compare.js';
import type { Entry, Model, Part, Request, Verdict } from './model.js';

/** What a call has returned at once. */
export interface Returned {
  readonly result: Promise<Appended> | Appended | Error;
  /** Of what was enqueued. */
  readonly ids?: readonly string[];
}

/** How a call has ended: with a result, or with an error. */
type Ending = { readonly value: Appended } | { readonly error: unknown };

export interface Flight {
  readonly request: Request;
  readonly verdict: Verdict;
  /** What it has added to the log, or repeats of it. */
  readonly call: readonly Entry[] | undefined;
  /** The latest id that had been told before. */
  readonly after: string;
  ended: Promise<void>;
  /** Whether it was given up because the disk was full. */
  lost: boolean;
  /** Whether it is a deletion that is in the log, and not in its file, as the disk was full. */
  unfiled: boolean;
}

export class Flights {
  readonly #model: Model;
  #flights: Flight[] = [];
  /** Of how many processes the end was seen: what the calls of an earlier one say is not heard. */
  #process = 0;
  #problems: unknown[] = [];
  /** The latest id that was told. */
  #lastId = '';

  constructor(model: Model) {
    this.#model = model;
  }

  /** Take a call that was made into the model, and compare what comes of it. */
  add(request: Request, verdict: Verdict, { result, ids }: Returned): void {
    this.#model.begin(request);
    let call: readonly Entry[] | undefined;
    if (verdict.kind === 'accepted') call = this.#model.accept(request);
    else if (verdict.kind === 'duplicate') call = verdict.of;
    const after = this.#lastId;
    if (ids !== undefined && call !== undefined) {
      expect(ids.length).toBe(call.length);
      for (const [i, entry] of call.entries()) learnId(entry, ids[i]!);
      if (verdict.kind === 'accepted') this.seeIds(ids, after);
    }
    const flight: Flight = { request, verdict, call, after, ended: Promise.resolve(), lost: false, unfiled: false };
    const process = this.#process;
    const end = (ending: Ending): void => {
      if (process !== this.#process) return;
      try {
        this.#check(flight, ending);
      } catch (problem) {
        this.#problems.push(problem);
      }
    };
    if (result instanceof Promise) flight.ended = endingOf(result).then(end);
    else end(result instanceof Error ? { error: result } : { value: result });
    this.#flights.push(flight);
  }

  /** Wait until all of them have ended, and take them. */
  async land(): Promise<readonly Flight[]> {
    const flights = this.#flights;
    this.#flights = [];
    await Promise.all(flights.map(({ ended }) => ended));
    return flights;
  }

  /** The process has ended: nothing is heard of its calls any more, and its ids may have been lost with it. */
  drop(): void {
    this.#process++;
    this.#model.rest();
    this.#flights = [];
    this.#problems = [];
    this.#lastId = '';
  }

  /** Raise what was found to be wrong. */
  throwProblems(): void {
    const [problem] = this.#problems;
    if (problem !== undefined) throw problem;
  }

  /** Take in an event that the store has recorded by itself. */
  takeNote({ type, data, id }: { readonly type: string; readonly data: unknown; readonly id: string }): void {
    this.seeIds([id], this.#lastId);
    this.#model.acceptOwn(type, data, id);
  }

  /** Ids of a call that came after another id was told: their timestamps are later, even if that one was given up. */
  seeIds(ids: readonly string[], after: string): void {
    let before = after;
    for (const id of ids) {
      if (!(id.slice(0, 19) > before.slice(0, 19))) expect.fail(`${id} does not come after ${before}`);
      before = id;
    }
    if (before > this.#lastId) this.#lastId = before;
  }

  /**
   * Of these flights, those that had a place behind so many durable events were given up, and nobody else.
   * @throws where one was told otherwise
   */
  giveUpBehind(durable: number, flights: readonly Flight[]): void {
    const model = this.#model;
    expect(durable, 'events on the full disk: at least').toBeGreaterThanOrEqual(model.durable);
    expect(model.isWhole(durable), `no call is cut at ${durable}`).toBe(true);
    for (const { call, lost, request } of flights) {
      if (call === undefined) continue;
      const isDurable = call.at(-1)!.sequence <= durable;
      const what = `the call of event ${call[0]!.sequence} of ${durable} durable ones`;
      if (lost) expect(isDurable, `${what}, which was refused, is there`).toBe(false);
      else if (request.durability === 'synced')
        expect(isDurable, `${what}, which was acknowledged, is there`).toBe(true);
    }
    model.cutTo(durable);
  }

  #check(flight: Flight, ending: Ending): void {
    const { request, verdict, call, after } = flight;
    if ('error' in ending) {
      flight.unfiled = this.#model.mayBeFull && isUnfiled(ending.error);
      flight.lost = !flight.unfiled && this.#checkRefusal(verdict, ending.error);
      return;
    }
    const { value } = ending;
    if (verdict.kind === 'refused') expect.fail(`the store has accepted what is ${verdict.code}`);
    same(`${value.duplicate}`, `${verdict.kind === 'duplicate'}`, '“duplicate”');
    checkAppended(value, request, call!);
    if (verdict.kind === 'accepted') this.seeIds(value.ids, after);
    if (value.durability === 'synced') this.#model.seeDurable(value.lastSequence);
    else if (value.durability === 'written') this.#model.seeWritten(value.lastSequence);
  }

  /** Returns whether the call was accepted, or repeats one that was, and was given up as the disk was full. */
  #checkRefusal(verdict: Verdict, error: unknown): boolean {
    if (!isKeeperError(error)) throw error;
    const { code, outcome } = error;
    if (this.#model.mayBeFull && code === 'ERR_DEGRADED') {
      expect(outcome).toBe('not-appended');
      // A call that waited for room in the ring may hear of that rather than of its own fault.
      return verdict.kind !== 'refused';
    }
    if (verdict.kind !== 'refused') throw error;
    same(`${code}, ${outcome}`, `${verdict.code}, not-appended`, 'a refusal');
    if (verdict.fields !== undefined) expect(error).toMatchObject(verdict.fields);
    if (verdict.sequences !== undefined) expect(verdict.sequences).toContain(Reflect.get(error, 'sequence'));
    return false;
  }
}

/** Have the store do it. What is thrown is returned. */
export function call(store: Store, { how, parts, condition, durability }: Request): Returned {
  const [{ stream, events, expect: expected }] = parts as [Part];
  const input = events.length === 1 ? events[0]! : events;
  const ofCall = {
    ...(condition !== undefined && { condition }),
    ...(durability !== undefined && { durability }),
  };
  const options = {
    ...(expected !== undefined && { expect: expected }),
    ...ofCall,
  };
  try {
    switch (how) {
      case 'append':
        return { result: store.append(stream, input, options) };
      case 'appendMany':
        return { result: store.appendMany(parts.map(withoutUndefined), ofCall) };
      case 'enqueue': {
        const { ids, durable } = store.enqueue(stream, input, options);
        return { result: durable, ids };
      }
      case 'deleteStream':
        return { result: store.deleteStream(stream, options) };
      case 'appendSync':
        return { result: store.appendSync(stream, input, options) };
    }
  } catch (error) {
    return { result: error as Error };
  }
}

/** Whether a tombstone is in the log, and for its file there was no space. */
function isUnfiled(error: unknown): boolean {
  if (!isKeeperError(error, 'ERR_STORAGE')) return false;
  return error.errno === 'ENOSPC' && error.outcome === 'unknown';
}

function withoutUndefined({ expect: expected, ...rest }: Part): Parameters<Store['appendMany']>[0][number] {
  return { ...rest, ...(expected !== undefined && { expect: expected }) };
}

/** The error that a call fails with, if it does. */
export async function errorOf(result: Returned['result']): Promise<unknown> {
  const ending = await endingOf(result);
  return 'error' in ending ? ending.error : undefined;
}

async function endingOf(result: Returned['result']): Promise<Ending> {
  if (result instanceof Error) return { error: result };
  try {
    return { value: await result };
  } catch (error) {
    return { error };
  }
}

/** Of what may come of a call, what has, by the error that it has failed with. */
export function choose(verdicts: readonly Verdict[], error: unknown): Verdict {
  const found = verdicts.find((verdict) =>
    verdict.kind === 'refused'
      ? isKeeperError(error, verdict.code as ErrorCode)
      : error === undefined || isUnfiled(error),
  );
  if (found !== undefined) return found;
  const meant = verdicts.map((verdict) => (verdict.kind === 'refused' ? verdict.code : verdict.kind));
  throw new Error(`it was to be ${meant.join(' or ')}, and is ${error ?? 'accepted'}`, { cause: error });
}
