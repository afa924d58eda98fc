/**
 * What a store is to those who use it, in its simplest form: a list of events. Everything that the contract says of
 * appends is decided by looking through that list.
 */
import { isDeepStrictEqual } from 'node:util';
import type { AppendCondition, Durability, Expect, NewEvent, Selector } from '../../dist/main/index.js';
import { seen, selects } from './expected.js';

/** An event of the log. */
export interface Entry {
  readonly sequence: number;
  readonly stream: string;
  readonly revision: number;
  readonly type: string;
  readonly data: unknown;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly tags: readonly string[];
  /** A number is an event of the same call. */
  readonly causes: readonly (string | number)[];
  readonly schemaVersion: number;
  readonly key: string | undefined;
  /** In which its data was meant to be kept. */
  readonly codec: 'msgpack' | 'json';
  /** Whether it deletes what its stream has before it. */
  readonly tombstone: boolean;
  /** The call that appended it, whole. */
  readonly call: readonly Entry[];
  /** Once the store has told it. */
  id: string | undefined;
}

export interface Part {
  readonly stream: string;
  readonly events: readonly NewEvent[];
  readonly expect?: Expect | undefined;
}

/** A call that appends. */
export interface Request {
  readonly how: 'append' | 'appendMany' | 'enqueue' | 'appendSync' | 'deleteStream';
  readonly parts: readonly Part[];
  readonly condition?: AppendCondition | undefined;
  readonly durability?: Durability | undefined;
}

/** What may come of a call. */
export type Verdict =
  | { readonly kind: 'accepted' }
  | { readonly kind: 'duplicate'; readonly of: readonly Entry[] }
  | {
      readonly kind: 'refused';
      readonly code: string;
      readonly fields?: object;
      /** Of the events that stand against it, one of which is to be named. */
      readonly sequences?: readonly number[];
    };

/** Small, so that a handful of events rotates, fills the ring, or is too large. */
export const LIMITS = {
  sealing: 'on-demand',
  segmentBytes: 64 * 1024,
  maxEventBytes: 48 * 1024,
  maxBatchEvents: 12,
  maxBatchBytes: 64 * 1024,
  ringBytes: 128 * 1024,
} as const;

export class Model {
  /** Everything that is accepted, in its order. */
  log: Entry[] = [];
  /** At least so many events are durable: the store has said so, or has shown them. */
  durable = 0;
  /** At least so many events outlive the process. */
  written = 0;
  /** Where the log begins, as the store has said last. */
  floor = 1;
  /** Whether it may begin later at any moment. */
  mayLose = false;
  /** In which data is kept from now on. */
  codec: Entry['codec'] = 'msgpack';
  /** Whether the disk is known to be full: nothing is accepted. */
  suspended = false;
  /** Whether the disk may be full: an append may find that out. */
  mayBeFull = false;
  /** Of the calls that have begun since everything had settled. */
  #begunBytes = 0;

  lastRevision(stream: string): number {
    return this.log.findLast((entry) => entry.stream === stream)?.revision ?? -1;
  }

  /**
   * What may come of a call: one thing only, unless it depends on an event's exact size, on its exact bytes, or on how fast the
   * disk is.
   */
  judge(request: Request): Verdict[] {
    if (this.suspended) return [refused('ERR_DEGRADED')];
    const { sure, codes } = this.#sizes(request);
    const verdicts: Verdict[] = codes.map((code) => refused(code));
    if (sure) return verdicts;
    const meant = this.#judgeFitting(request);
    // Of what is gone only the hash of the bytes is left.
    const mayBeGone = ({ sequence }: Entry): boolean => this.mayLose || sequence < this.floor;
    if (meant.kind === 'duplicate' && meant.of.some((entry) => entry.codec !== this.codec && mayBeGone(entry)))
      verdicts.push(refused('ERR_IDEMPOTENCY_REUSED'));
    if (this.mayBeFull) verdicts.push(refused('ERR_DEGRADED'));
    if (request.how === 'enqueue' && this.#mayBeBusy(request)) verdicts.push(refused('ERR_BACKPRESSURE'));
    return [meant, ...verdicts];
  }

  /** Whether a deletion may not be durable yet: until it is, it depends on the moment what is there. */
  isDeleting(from = this.durable): boolean {
    return this.log.slice(from).some(({ tombstone }) => tombstone);
  }

  /** A call has begun; what it takes is free again once everything has settled. */
  begin(request: Request): void {
    this.#begunBytes += bytesOf(request);
  }

  /** Nothing is under way any more. */
  rest(): void {
    this.#begunBytes = 0;
  }

  /** Take a call into the log. */
  accept({ how, parts }: Request): readonly Entry[] {
    const call: Entry[] = [];
    for (const { stream, events } of parts) {
      let revision = this.lastRevision(stream);
      for (const event of events) {
        revision++;
        call.push({
          ...toBody(event),
          sequence: this.log.length + call.length + 1,
          stream,
          revision,
          codec: this.codec,
          tombstone: how === 'deleteStream',
          call,
          id: undefined,
        });
      }
    }
    this.log.push(...call);
    return call;
  }

  /** Take in an event that the store has recorded by itself. */
  acceptOwn(type: string, data: unknown, id: string): void {
    const [entry] = this.accept({ how: 'append', parts: [{ stream: '$store', events: [{ type, data }] }] });
    entry!.id = id;
  }

  /** Whether a log of so many events has no call in part. */
  isWhole(length: number): boolean {
    return length === 0 || length === this.log[length - 1]?.call.at(-1)?.sequence;
  }

  /** Give up everything behind so many events. */
  cutTo(length: number): void {
    this.log = this.log.slice(0, length);
    this.durable = this.written = length;
  }

  /** The store has said, or shown, that so many events are durable. */
  seeDurable(length: number): void {
    this.durable = Math.max(this.durable, length);
    this.written = Math.max(this.written, this.durable);
  }

  /** The store has said that so many events are written. */
  seeWritten(length: number): void {
    this.written = Math.max(this.written, length);
  }

  #judgeFitting(request: Request): Verdict {
    const refusal = this.#judgeKeys(request) ?? this.#judgeExpect(request) ?? this.#judgeCondition(request);
    return refusal ?? { kind: 'accepted' };
  }

  #judgeKeys({ parts }: Request): Verdict | undefined {
    const bodies = parts.flatMap(({ stream, events }) => events.map((event) => ({ ...toBody(event), stream })));
    const keys = bodies.flatMap(({ key }) => key ?? []);
    const reused = refused('ERR_IDEMPOTENCY_REUSED');
    if (new Set(keys).size < keys.length) return reused;
    const known = this.log.filter(({ key }) => key !== undefined && keys.includes(key));
    const first = known[0]?.call;
    if (first === undefined) return undefined;
    const same = first.length === bodies.length && first.every((entry, i) => sameBody(entry, bodies[i]!));
    return same ? { kind: 'duplicate', of: first } : reused;
  }

  #judgeExpect({ how, parts }: Request): Verdict | undefined {
    for (const { stream, expect = how === 'deleteStream' ? 'exists' : 'any' } of parts) {
      const revision = this.lastRevision(stream);
      const actual = revision === -1 ? 'none' : revision;
      if (expect === 'any' || expect === actual || (expect === 'exists' && actual !== 'none')) continue;
      return refused('ERR_CONFLICT', { stream, expected: expect, actual });
    }
    return undefined;
  }

  #judgeCondition({ condition }: Request): Verdict | undefined {
    if (condition === undefined) return undefined;
    const { match, after = 0 } = condition;
    const any = (Array.isArray(match) ? match : [match]) as Selector[];
    const matching = seen(this).filter(
      (entry) => !entry.tombstone && entry.sequence > after && any.some((one) => selects(one, entry)),
    );
    if (matching.length === 0) return undefined;
    return { kind: 'refused', code: 'ERR_CONDITION_FAILED', sequences: matching.map(({ sequence }) => sequence) };
  }

  /** Limits that a call is over for sure, or may be over. */
  #sizes({ parts }: Request): { sure: boolean; codes: string[] } {
    const { maxBatchEvents, maxBatchBytes, maxEventBytes } = LIMITS;
    const sizes = parts.flatMap(({ stream, events }) => events.map((event) => sizeOf(stream, event)));
    if (sizes.length > maxBatchEvents) return { sure: true, codes: ['ERR_BATCH_TOO_LARGE'] };
    const least = sizes.reduce((sum, { least }) => sum + least, 0);
    const most = sizes.reduce((sum, { most }) => sum + most, 0);
    const codes: string[] = [];
    if (sizes.some(({ most }) => most > maxEventBytes)) codes.push('ERR_EVENT_TOO_LARGE');
    if (most > maxBatchBytes) codes.push('ERR_BATCH_TOO_LARGE');
    return { sure: least > maxBatchBytes || sizes.some(({ least }) => least > maxEventBytes), codes };
  }

  /** Whether the ring may have no room for a call: those before it may all be there still, or wait, whatever comes of them. */
  #mayBeBusy(request: Request): boolean {
    return this.#begunBytes + bytesOf(request) > LIMITS.ringBytes / 4;
  }
}

/** The most that a call takes, encoded. */
function bytesOf({ parts }: Request): number {
  const sizes = parts.flatMap(({ stream, events }) => events.map((event) => sizeOf(stream, event).most));
  return sizes.reduce((sum, bytes) => sum + bytes, 0);
}

function refused(code: string, fields?: object): Verdict {
  return { kind: 'refused', code, ...(fields !== undefined && { fields }) };
}

type Body = Pick<Entry, 'type' | 'data' | 'metadata' | 'tags' | 'causes' | 'schemaVersion' | 'key'>;

function toBody(event: NewEvent): Body {
  const { type, data, metadata = {}, tags = [], causes = [], schemaVersion = 1, idempotencyKey: key } = event;
  return {
    type,
    data: stored(data),
    metadata: stored(metadata) as object as Body['metadata'],
    tags,
    causes,
    schemaVersion,
    key,
  };
}

/** A value as it is kept: no undefined, no negative zero. */
function stored(value: unknown): unknown {
  if (value === undefined) return null;
  if (Object.is(value, -0)) return 0;
  if (Array.isArray(value)) return value.map(stored);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array || value instanceof Date) return value;
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(members.map(([name, member]) => [name, stored(member)]));
}

function sameBody(a: Body & { stream: string }, b: Body & { stream: string }): boolean {
  const of = ({ stream, type, data, tags, causes, schemaVersion, key }: typeof a): unknown[] => [
    stream,
    type,
    data,
    tags,
    causes,
    schemaVersion,
    key,
  ];
  return isDeepStrictEqual(of(a), of(b));
}

/** What an event takes, encoded: at least and at most. Unit: bytes. */
function sizeOf(stream: string, event: object): { least: number; most: number } {
  const { data, metadata, tags, causes, type, key, idempotencyKey } = event as Record<string, unknown>;
  return {
    least: weigh(data, (text) => Buffer.byteLength(text), 0),
    most: 256 + weigh([stream, type, data, metadata, tags, causes, key, idempotencyKey], escapedBytes, 40),
  };
}

function escapedBytes(text: string): number {
  return Math.max(Buffer.byteLength(text), Buffer.byteLength(JSON.stringify(text))) + 8;
}

/** The weight of all text in a value, and so much for each other thing. */
function weigh(value: unknown, text: (text: string) => number, other: number): number {
  if (typeof value === 'string') return text(value);
  if (value instanceof Uint8Array) return value.length * (other > 0 ? 5 : 1) + other;
  if (typeof value !== 'object' || value === null || value instanceof Date) return other;
  let sum = other;
  for (const [name, member] of Object.entries(value)) {
    sum += weigh(member, text, other) + (Array.isArray(value) ? 0 : text(name));
  }
  return sum;
}
