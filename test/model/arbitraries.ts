/** What is appended and asked for: plain cases mostly, and the corners of what the contract allows. */
import fc from 'fast-check';
import type { NewEvent, Selector } from '../../dist/main/index.js';
import { LIMITS, type Part, type Request } from './model.js';
import { MAX_AGE_MS } from './retain.js';
import type { Opening } from './subject.js';

const FEW = ['a', 'b', 'task/1'];
const ODD = [
  'ü'.repeat(256),
  'x'.repeat(512),
  '__proto__',
  'constructor',
  'zeile\u2028um',
  ' ',
  'a$',
  '😀/👩‍👩‍👧',
  '\ufeffbom',
  '\u{10ffff}',
  '\uffee',
  '.+',
];

export const streamName = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...FEW) },
  { weight: 2, arbitrary: fc.constantFrom(...ODD) },
  { weight: 2, arbitrary: fc.nat({ max: 40 }).map((n) => `many/${n}`) },
);

const type = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('Added', 'Changed', 'Task.Done') },
  { weight: 1, arbitrary: fc.constantFrom('Ünïcode', 'T'.repeat(256), '$odd', '__proto__') },
);
const label = fc.constantFrom('ada', 'bob', 'ü'.repeat(128), '*');
const TAGS = ['x', 'y', 'p:1', 'ü', 'p:*', 'z'.repeat(256)];
const tags = fc.uniqueArray(fc.constantFrom(...TAGS), { maxLength: 3 });
export const key = fc.nat({ max: 7 }).map((n) => `key ${n}`);

const text = fc.oneof(fc.string({ maxLength: 8 }), fc.string({ unit: 'grapheme', maxLength: 4 }));
const leaf = fc.oneof(
  fc.constantFrom(null, true, false, 0, -0, Number.NaN, Number.POSITIVE_INFINITY, Number.MIN_VALUE, undefined),
  fc.integer(),
  fc.double(),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
  text,
  fc.uint8Array({ maxLength: 12 }),
  fc.date({ noInvalidDate: true }),
);
const member = fc.oneof(text, fc.constantFrom('constructor', 'toString', '')).filter((name) => name !== '__proto__');
const value: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 3, arbitrary: leaf },
  { weight: 1, arbitrary: fc.array(leaf, { maxLength: 3 }) },
  {
    weight: 1,
    arbitrary: fc.dictionary(member, fc.oneof(leaf, fc.array(leaf, { maxLength: 2 })), {
      maxKeys: 3,
      noNullPrototype: true,
    }),
  },
  { weight: 1, arbitrary: fc.nat({ max: 60 }).map(nested) },
);

/** Lists within lists. */
function nested(depth: number): unknown {
  return depth === 0 ? 'deep' : [nested(depth - 1)];
}

/** Data of so many bytes, about. */
const padded = (bytes: number): object => ({ pad: 'x'.repeat(bytes) });
const small = fc.nat({ max: 300 }).map(padded);
const large = fc.oneof(
  fc.integer({ min: 2000, max: 30_000 }).map(padded),
  fc.integer({ min: LIMITS.maxEventBytes - 400, max: LIMITS.maxEventBytes + 20 }).map(padded),
);

const event: fc.Arbitrary<NewEvent> = fc
  .record(
    {
      type,
      data: fc.oneof({ weight: 6, arbitrary: small }, { weight: 5, arbitrary: value }, { weight: 2, arbitrary: large }),
      metadata: fc.record({ agent: label, session: label, correlationId: label, own: leaf }, { requiredKeys: [] }),
      tags,
      causes: fc.constantFrom<string[]>(['1700000000000000000_1_other'], ['elsewhere', 'elsewhere']),
      schemaVersion: fc.constantFrom(1, 2, 2 ** 32 - 1),
    },
    { requiredKeys: ['type', 'data'] },
  )
  .map((made) => made as NewEvent);

/** Some events have keys; one that is not the first may name those before it as its causes. */
export const events: fc.Arbitrary<NewEvent[]> = fc
  .tuple(
    fc.oneof(
      { weight: 4, arbitrary: fc.array(event, { minLength: 1, maxLength: 1 }) },
      { weight: 2, arbitrary: fc.array(event, { minLength: 2, maxLength: 4 }) },
      {
        weight: 1,
        arbitrary: fc.array(event, { minLength: LIMITS.maxBatchEvents - 1, maxLength: LIMITS.maxBatchEvents + 1 }),
      },
    ),
    fc.option(fc.uniqueArray(key, { minLength: 1, maxLength: 3 }), { freq: 2, nil: [] }),
    fc.boolean(),
  )
  .map(([list, keys, linked]) =>
    list.map((one, i) => ({
      ...one,
      ...(keys[i] !== undefined && { idempotencyKey: keys[i] }),
      ...(linked && i > 0 && { causes: i === 1 ? [0] : [i - 1, 0] }),
    })),
  );

const oneOrMany = (values: readonly string[]): fc.Arbitrary<string | string[]> =>
  fc.oneof(fc.constantFrom(...values), fc.uniqueArray(fc.constantFrom(...values), { minLength: 1, maxLength: 3 }));
const selector: fc.Arbitrary<Selector> = fc.record(
  {
    streams: oneOrMany([...FEW, ...ODD.filter((name) => !name.includes('*')), 'many/*', '*a*', '*', '$*', 'nobody']),
    types: oneOrMany(['Added', 'Changed', '*ed', 'Task.*', '$odd', '*odd', 'Nothing']),
    tags: oneOrMany([...TAGS, 'nothing']),
    agent: oneOrMany(['ada', 'bob', '*', 'nobody']),
    session: oneOrMany(['ada', 'bob']),
    correlationId: oneOrMany(['ada', 'bob']),
  },
  { requiredKeys: [], noNullPrototype: true },
);
export const selectors = fc.oneof(
  { weight: 3, arbitrary: fc.constant({}) },
  { weight: 3, arbitrary: selector },
  { weight: 1, arbitrary: fc.array(selector, { minLength: 1, maxLength: 3 }) },
);

/** What a call expects of its stream: of a revision, how far it is from the last one. */
export type Hope = 'any' | 'none' | 'exists' | { readonly off: number } | undefined;
export const hope: fc.Arbitrary<Hope> = fc.oneof(
  { weight: 6, arbitrary: fc.constant(undefined) },
  { weight: 3, arbitrary: fc.constant({ off: 0 }) },
  { weight: 2, arbitrary: fc.constantFrom<Hope>('any', 'none', 'exists', { off: -1 }, { off: 1 }) },
);

/** A call before it is known how the log stands. */
export interface Intent extends Omit<Request, 'parts' | 'condition'> {
  readonly parts: readonly (Omit<Part, 'expect'> & { readonly hope: Hope })[];
  /** How many of the newest events are to be looked at; undefined: all. */
  readonly condition?:
    | { readonly match: Selector | readonly Selector[]; readonly newest: number | undefined }
    | undefined;
}

const part = fc.record({ stream: streamName, events, hope });
const condition: fc.Arbitrary<Intent['condition']> = fc.option(
  fc.record({ match: selectors, newest: fc.option(fc.nat({ max: 12 }), { nil: undefined }) }),
  { nil: undefined, freq: 6 },
);
const durability = fc.option(fc.constantFrom('synced' as const, 'written' as const, 'accepted' as const), {
  nil: undefined,
});

export const oneAppend: fc.Arbitrary<Intent> = fc.record({
  how: fc.constant('append' as const),
  parts: part.map((one) => [one]),
  condition,
  durability,
});
/** With one event that is most of a segment, so that the next one begins another. */
export const fullSegment: fc.Arbitrary<Intent> = fc
  .record({ stream: streamName, event, key: fc.option(key, { nil: undefined }) })
  .map(({ stream, event, key }) => {
    const full = { ...event, data: padded(LIMITS.segmentBytes / 2 + 2000) };
    const events = [key === undefined ? full : { ...full, idempotencyKey: key }];
    return { how: 'append', parts: [{ stream, events, hope: undefined }] };
  });
export const intent: fc.Arbitrary<Intent> = fc.oneof(
  { weight: 5, arbitrary: oneAppend },
  {
    weight: 2,
    arbitrary: fc.record({
      how: fc.constant('appendMany' as const),
      parts: fc
        .uniqueArray(part, { minLength: 1, maxLength: 4, selector: ({ stream }) => stream })
        .map((parts) => parts.map((one) => ({ ...one, events: one.events.slice(0, 3) }))),
      condition,
      durability,
    }),
  },
  { weight: 2, arbitrary: fc.record({ how: fc.constant('enqueue' as const), parts: part.map((one) => [one]) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      how: fc.constant('appendSync' as const),
      parts: part.map((one) => [one]),
      condition,
      durability,
    }),
  },
);

export const opening: fc.Arbitrary<Opening> = fc.record(
  {
    dataCodec: fc.constantFrom('msgpack', 'json'),
    cacheBytes: fc.constantFrom(0, 20_000, 1_000_000),
    indexBytes: fc.constantFrom(0, 1_000_000),
    durability: fc.constantFrom('synced', 'written', 'accepted'),
    compression: fc.constantFrom('lz4', 'none'),
    retention: fc.constantFrom({}, {}, { maxBytes: 64 * 1024 }, { maxBytes: 160 * 1024 }, { maxAgeMs: MAX_AGE_MS }),
  },
  { requiredKeys: [] },
);
