/** Random events, and queries that are likely to find some of them. */
import fc from 'fast-check';
import type { NewEvent, Where } from 'keeperlog';
import type { Plain } from './oracle.js';

export const STREAMS = ['a', 'task/1', 'task/2', 'ü'];
export const TYPES = ['Added', 'Changed', 'Removed', 'Äh'];
export const TAGS = ['x', 'y', 'p:1', 'p:2', 'p'];
const LABELS = ['ada', 'bob', 'eve'];

const BASE_MS = 1_700_000_000_000;

const texts = ['', 'a', 'ab', 'b', 'ü', '\u{1f600}', '\ufffd', '\ue000', '"\\\n\u0001', "it's"];
const numbers = [0, 1, 5, 5.5, -1, 1e-7, 123.25, 2 ** 53, 2 ** 60, 1e22, 2 ** 64, Number.POSITIVE_INFINITY];
const bigints = [5n, -1n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 60n, -(2n ** 63n), 2n ** 64n - 1n];
const dates = [new Date(0), new Date(BASE_MS), new Date(BASE_MS + 1), new Date(-62_135_596_800_001)];

const text = fc.constantFrom(...texts);
const number = fc.oneof(fc.constantFrom(...numbers, ...bigints), fc.integer({ min: -2, max: 7 }));
const date = fc.constantFrom(...dates);
const scalar = fc.oneof(text, number, date, fc.boolean(), fc.constant(null));

const stored = fc.oneof({ weight: 6, arbitrary: scalar }, fc.constant(Number.NaN), fc.constant(new Uint8Array([1, 2])));
const list = fc.array(fc.oneof(stored, fc.array(stored, { maxLength: 2 })), { maxLength: 3 });
const KEYS = ['n', 's', 'list', 'a.b', 'x y', '0', 'in', 'constructor', 'length', 'b\\', '"'];

const node: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    { weight: 5, arbitrary: stored },
    { weight: 2, arbitrary: list },
    {
      weight: 2,
      arbitrary: fc.dictionary(fc.constantFrom(...KEYS), tie('value'), { maxKeys: 4, noNullPrototype: true }),
    },
  ),
})).value;

const data: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 8, arbitrary: fc.dictionary(fc.constantFrom(...KEYS), node, { maxKeys: 6, noNullPrototype: true }) },
  { weight: 1, arbitrary: stored },
  { weight: 1, arbitrary: list },
);

const label = fc.option(fc.constantFrom(...LABELS), { nil: undefined });

/** An event to append, and the stream to append it to. */
export const newEvent: fc.Arbitrary<{ stream: string; event: NewEvent }> = fc
  .record({
    stream: fc.constantFrom(...STREAMS),
    type: fc.constantFrom(...TYPES),
    data,
    tags: fc.subarray(TAGS),
    agent: label,
    session: label,
    correlationId: label,
    custom: fc.option(node, { nil: undefined }),
    causes: fc.subarray(['c1', 'c2']),
    schemaVersion: fc.integer({ min: 1, max: 3 }),
  })
  .map(({ stream, agent, session, correlationId, custom, ...event }) => ({
    stream,
    event: {
      ...event,
      metadata: {
        ...(agent && { agent }),
        ...(session && { session }),
        ...(correlationId && { correlationId }),
        ...(custom !== undefined && { custom }),
      },
    },
  }));

/** Events as they would be recorded one a millisecond. */
export const plainEvents: fc.Arbitrary<Plain[]> = fc.array(newEvent, { minLength: 1, maxLength: 12 }).map((events) => {
  const revisions = new Map<string, number>();
  return events.map(({ stream, event }, i): Plain => {
    const revision = (revisions.get(stream) ?? -1) + 1;
    revisions.set(stream, revision);
    const sequence = i + 1;
    const ms = BASE_MS + i;
    const timestampNs = BigInt(ms) * 1_000_000n + BigInt(i);
    const { type, data, tags, causes, metadata, schemaVersion } = event as Required<NewEvent>;
    return {
      id: `${timestampNs}_${sequence}_n`,
      sequence,
      timestampNs,
      time: new Date(ms),
      stream,
      revision,
      type,
      data,
      metadata,
      tags,
      causes: causes as string[],
      schemaVersion,
      idempotencyKey: i % 3 === 0 ? `key ${i}` : undefined,
    };
  });
});

const paths = [
  'data',
  'data.n',
  'data.s',
  'data.list',
  'data.list.0',
  'data.list.1.0',
  'data.n.s',
  'data.a\\.b',
  'data.x y',
  'data.0',
  'data.in',
  'data.constructor',
  'data.length',
  'data.list.length',
  'data.b\\\\',
  'data."',
  'metadata',
  'metadata.custom',
  'metadata.custom.n',
];

/** All operators, with operands of one kind. */
function conditions(operand: fc.Arbitrary<unknown>, ordered: fc.Arbitrary<unknown>, begins: boolean, range = true) {
  const list = fc.array(operand, { minLength: 1, maxLength: 4 });
  const operators = {
    eq: operand,
    ne: operand,
    in: list,
    exists: fc.boolean(),
    ...(range && { gt: ordered, gte: ordered, lt: ordered, lte: ordered }),
    ...(begins && { prefix: fc.constantFrom('', 'a', 'p:', 'task/', 'ü', '\u{1f600}') }),
  };
  return fc.record(operators, { requiredKeys: [] }).filter((tests) => Object.keys(tests).length > 0);
}

const ordered = fc.oneof(text, number, date);
const small = fc.oneof(fc.integer({ min: 0, max: 12 }), fc.constantFrom(2n, 1.5, -1, 2n ** 60n));
const moment = fc.oneof(
  fc.integer({ min: -1, max: 12 }).map((i) => new Date(BASE_MS + i)),
  fc.integer({ min: -1, max: 12 }).map((i) => new Date(BASE_MS + i).toISOString()),
);
const nanoseconds = fc.integer({ min: -1, max: 12 }).map((i) => BigInt(BASE_MS + i) * 1_000_000n + BigInt(i));
const id = fc.integer({ min: 0, max: 12 }).map((i) => `${BigInt(BASE_MS + i) * 1_000_000n + BigInt(i)}_${i + 1}_n`);

const ofText = (values: readonly string[]) =>
  conditions(fc.constantFrom(...values, 'nobody'), fc.constantFrom(...values, ''), true);

/** One field with its tests. */
const oneField: fc.Arbitrary<Where> = fc.oneof(
  { weight: 3, arbitrary: named('stream', ofText(STREAMS)) },
  { weight: 3, arbitrary: named('type', ofText(TYPES)) },
  { weight: 3, arbitrary: named('tags', conditions(fc.constantFrom(...TAGS, 'z'), text, true, false)) },
  named('causes', conditions(fc.constantFrom('c1', 'c2', 'c3'), text, true, false)),
  named('agent', ofText(LABELS)),
  named('session', ofText(LABELS)),
  named('correlationId', ofText(LABELS)),
  named('metadata.agent', ofText(LABELS)),
  named('idempotencyKey', ofText(['key 0', 'key 3'])),
  named('id', conditions(fc.oneof(id, fc.constant('none')), id, true)),
  named('sequence', conditions(small, small, false)),
  named('revision', conditions(small, small, false)),
  named('schemaVersion', conditions(small, small, false)),
  named('timestampNs', conditions(nanoseconds, nanoseconds, false)),
  named('time', conditions(moment, moment, false)),
  {
    weight: 12,
    arbitrary: fc
      .tuple(fc.constantFrom(...paths), conditions(scalar, ordered, true))
      .map(([path, tests]) => ({ [path]: tests }) as Where),
  },
);

function named(field: string, tests: fc.Arbitrary<object>): fc.Arbitrary<Where> {
  return tests.map((tests) => ({ [field]: tests }) as Where);
}

/** Any where at all. */
export const where: fc.Arbitrary<Where> = fc.letrec<{ where: Where }>((tie) => ({
  where: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    { weight: 4, arbitrary: oneField },
    { weight: 1, arbitrary: fc.constant({}) },
    { weight: 2, arbitrary: fc.array(tie('where'), { minLength: 1, maxLength: 3 }).map((and) => ({ and })) },
    { weight: 2, arbitrary: fc.array(tie('where'), { minLength: 1, maxLength: 3 }).map((or) => ({ or })) },
    { weight: 2, arbitrary: tie('where').map((not) => ({ not })) },
    { weight: 2, arbitrary: fc.tuple(oneField, oneField).map(([one, other]) => ({ ...one, ...other })) },
  ),
})).where;
