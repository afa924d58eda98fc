/** What is found does not depend on indexes, caches, or where the records are: everything against a plain filter. */

import fc from 'fast-check';
import type { ReadOptions, ReadStreamOptions, RecordedEvent, Selector, Store } from 'keeperlog';
import { openStore } from 'keeperlog';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeDir, removeDir } from '../support/stores.js';

/** More than a range that is read through rather than indexed. */
const EVENTS = 7000;
const STREAMS = ['a', 'b', 'task/1', 'task/2', 'task/33', 'user', 'rare'];
const TYPES = ['Added', 'Changed', 'Removed', 'Task.Done', 'Rare'];
const TAGS = ['x', 'y', 'z', 'p:1', 'p:2', 'once'];
const LABELS = ['ada', 'bob', 'eve'];

interface Plain {
  readonly sequence: number;
  readonly stream: string;
  readonly revision: number;
  readonly type: string;
  readonly tags: readonly string[];
  readonly labels: { readonly agent?: string; readonly session?: string; readonly correlationId?: string };
}

function plain({ sequence, stream, revision, type, tags, metadata }: RecordedEvent): Plain {
  const { agent, session, correlationId } = metadata;
  const labels = { ...(agent && { agent }), ...(session && { session }), ...(correlationId && { correlationId }) };
  return { sequence, stream, revision, type, tags: [...tags], labels };
}

/** Always the same numbers. */
function* random(seed: number): Generator<number, never> {
  let state = seed;
  for (;;) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state / 2 ** 32;
  }
}

function makeEvents(): Plain[] {
  const numbers = random(7);
  const below = (limit: number): number => Math.floor(numbers.next().value * limit);
  const label = (): string | undefined => LABELS[below(5)];
  const revisions = new Map<string, number>();
  return Array.from({ length: EVENTS }, (_, i) => {
    const rare = below(500) === 0;
    const stream = rare ? 'rare' : STREAMS[below(STREAMS.length - 1)]!;
    const revision = (revisions.get(stream) ?? -1) + 1;
    revisions.set(stream, revision);
    const [agent, session, correlationId] = [label(), label(), label()];
    return {
      sequence: i + 1,
      stream,
      revision,
      type: rare ? 'Rare' : TYPES[below(TYPES.length - 1)]!,
      tags: i === 4321 ? ['once'] : TAGS.slice(0, 5).filter(() => below(4) === 0),
      labels: { ...(agent && { agent }), ...(session && { session }), ...(correlationId && { correlationId }) },
    };
  });
}

const events = makeEvents();

function fits(pattern: string, name: string): boolean {
  if (!pattern.includes('*')) return pattern === name;
  if (pattern.startsWith('*') && name.startsWith('$')) return false;
  const [first, ...parts] = pattern.split('*');
  if (!name.startsWith(first!)) return false;
  let at = first!.length;
  const last = parts.pop()!;
  for (const part of parts) {
    const found = name.indexOf(part, at);
    if (found === -1) return false;
    at = found + part.length;
  }
  return name.length - last.length >= at && name.endsWith(last);
}

const listOf = (value: string | readonly string[] | undefined): readonly string[] | undefined =>
  typeof value === 'string' ? [value] : value;

function selects(selector: Selector, event: Plain): boolean {
  const { streams, types, tags, ...labels } = selector;
  if (listOf(streams)?.some((pattern) => fits(pattern, event.stream)) === false) return false;
  if (listOf(types)?.some((pattern) => fits(pattern, event.type)) === false) return false;
  if (listOf(tags)?.every((tag) => event.tags.includes(tag)) === false) return false;
  return Object.entries(labels).every(([name, value]) => {
    const actual = event.labels[name as keyof Plain['labels']];
    return actual !== undefined && listOf(value)!.includes(actual);
  });
}

function expected(selectors: Selector | readonly Selector[], options: ReadOptions): Plain[] {
  const any = (Array.isArray(selectors) ? selectors : [selectors]) as Selector[];
  const { direction = 'forwards', limit = Number.POSITIVE_INFINITY } = options;
  const [from, to, after] = [options.from, options.to, options.after] as (number | undefined)[];
  const forwards = direction === 'forwards';
  const found = events.filter(({ sequence }) => {
    const begun = forwards
      ? sequence >= (from ?? 0) && sequence > (after ?? 0)
      : sequence <= (from ?? Number.POSITIVE_INFINITY) && sequence < (after ?? Number.POSITIVE_INFINITY);
    const ended = forwards ? sequence > (to ?? Number.POSITIVE_INFINITY) : sequence < (to ?? 0);
    return begun && !ended;
  });
  const selected = found.filter((event) => any.some((selector) => selects(selector, event)));
  return (forwards ? selected : selected.reverse()).slice(0, limit);
}

const oneOrMany = (values: readonly string[]): fc.Arbitrary<string | string[]> =>
  fc.oneof(fc.constantFrom(...values), fc.uniqueArray(fc.constantFrom(...values), { minLength: 1, maxLength: 3 }));

const selector: fc.Arbitrary<Selector> = fc.record(
  {
    streams: oneOrMany([...STREAMS, 'task/*', '*a*', 'ta*/*3', '*', 'nobody']),
    types: oneOrMany([...TYPES, '*ed', 'Task.*', 'Nothing']),
    tags: oneOrMany([...TAGS, 'nothing']),
    agent: oneOrMany([...LABELS, 'nobody']),
    session: oneOrMany(LABELS),
    correlationId: oneOrMany(LABELS),
  },
  { requiredKeys: [] },
);
const selectors = fc.oneof(selector, fc.array(selector, { minLength: 1, maxLength: 3 }));

const sequence = fc.integer({ min: 0, max: EVENTS + 10 });
const direction = fc.constantFrom('forwards' as const, 'backwards' as const);
const limit = fc.oneof(fc.nat({ max: 20 }), fc.nat({ max: 2000 }));
const options: fc.Arbitrary<ReadOptions> = fc.oneof(
  fc.record({ from: sequence, to: sequence, direction, limit }, { requiredKeys: [] }),
  fc.record({ after: sequence, to: sequence, direction, limit }, { requiredKeys: [] }),
);
const revision = fc.nat({ max: 1500 });
const streamOptions: fc.Arbitrary<ReadStreamOptions> = fc.record(
  { fromRevision: revision, toRevision: revision, direction, limit },
  { requiredKeys: [] },
);

function expectedOfStream(stream: string, options: ReadStreamOptions): Plain[] {
  const { fromRevision, toRevision, direction, limit = Number.POSITIVE_INFINITY } = options;
  const backwards = direction === 'backwards';
  const low = (backwards ? toRevision : fromRevision) ?? 0;
  const high = (backwards ? fromRevision : toRevision) ?? Number.POSITIVE_INFINITY;
  const found = events.filter((event) => event.stream === stream && event.revision >= low && event.revision <= high);
  return (backwards ? found.reverse() : found).slice(0, limit);
}

/** Segments of some thousand events each: fewer are read through rather than indexed. */
const LIMITS = { segmentBytes: 768 * 1024, nodeId: 'n' };

/** Ways to hold the same log. */
const WAYS: readonly { readonly name: string; readonly options: object; readonly reopened: boolean }[] = [
  { name: 'with everything in memory', options: {}, reopened: false },
  { name: 'without index and cache', options: { indexBytes: 0, cacheBytes: 0 }, reopened: false },
  { name: 'opened again, with a large index', options: { cacheBytes: 0 }, reopened: true },
  {
    name: 'opened again, with an index that holds a segment at a time',
    options: { indexBytes: 200_000 },
    reopened: true,
  },
  {
    name: 'opened again, with a small cache and no index',
    options: { indexBytes: 0, cacheBytes: 65_536 },
    reopened: true,
  },
  { name: 'opened to be read only', options: { readOnly: true }, reopened: true },
];

describe.each(WAYS)('a store $name finds what a plain filter finds', ({ options: way, reopened }) => {
  const dir = makeDir();
  let store: Store;

  beforeAll(async () => {
    store = await openStore({ dir, ...LIMITS, ...(reopened ? {} : way) });
    for (let at = 0; at < EVENTS; at += 70) {
      for (const { stream, type, tags, labels } of events.slice(at, at + 70)) {
        void store.append(stream, { type, tags, metadata: labels, data: { pad: 'x'.repeat(at % 200) } });
      }
      if (at % 700 === 0) await store.flush();
    }
    await store.flush();
    if (!reopened) return;
    await store.close();
    store = await openStore({ dir, ...LIMITS, ...way });
  });

  afterAll(async () => {
    await store.close();
    removeDir(dir);
  });

  test('for any selector and any bounds', async () => {
    await fc.assert(
      fc.asyncProperty(selectors, options, async (selectors, options) => {
        const found = await store.read(selectors, options).toArray();
        expect(found.map(plain)).toEqual(expected(selectors, options));
      }),
      { numRuns: 60 },
    );
  });

  test('for any part of a stream', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...STREAMS, 'nobody'), streamOptions, async (stream, options) => {
        const found = await store.readStream(stream, options).toArray();
        expect(found.map(plain)).toEqual(expectedOfStream(stream, options));
      }),
      { numRuns: 60 },
    );
  });

  test('for streams, heads and single events', async () => {
    const names = [...new Set(events.map(({ stream }) => stream))].sort();
    const listed = names.map((stream) => {
      const own = events.filter((event) => event.stream === stream);
      const { revision, sequence } = own.at(-1)!;
      return { stream, revision, firstSequence: own[0]!.sequence, lastSequence: sequence };
    });
    expect(await store.streams().toArray()).toEqual(listed);
    expect(await store.streams({ prefix: 'task', after: 'task/1', limit: 1 }).toArray()).toEqual([listed[4]]);
    for (const { stream, revision, lastSequence } of listed) {
      expect(await store.head(stream)).toMatchObject({ revision, sequence: lastSequence });
    }
    for (const sequence of [1, 2, 77, 4322, EVENTS]) {
      expect(plain((await store.get(sequence))!)).toEqual(events[sequence - 1]);
    }
    expect((await store.verify({ deep: true })).ok).toBe(true);
  });

  test('and keeps to its index budget', async () => {
    await store.read({ tags: 'once' }).toArray();
    const { bytes, budget } = store.stats().memory.index;
    if (budget > 1_000_000) expect(bytes).toBeGreaterThan(50_000);
    // The table of blocks is not part of the budget: about 430 bytes for each 256 KiB.
    expect(bytes).toBeLessThanOrEqual(budget + 430 * 64);
  });
});
