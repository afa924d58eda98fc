import { describe, expectTypeOf, test } from 'vitest';
import type { restoreStore as RestoreStore } from '../../src/main/restore.js';
import type { Store } from '../../src/main/store-types.js';
import type { BackupProgress, BackupReport, RestoreOptions, RestoreReport } from '../../src/shared/backup-report.js';
import { isKeeperError } from '../../src/shared/portable/errors.js';
import type { NewEvent, RecordedEvent } from '../../src/shared/portable/events.js';
import type { Appended, AppendedMany, EventLog, Rows, StreamInfo } from '../../src/shared/portable/log.js';
import type { Checkpoint } from '../../src/shared/portable/proof/checkpoint.js';
import type { InclusionProof } from '../../src/shared/portable/proof/proof.js';
import type { AggregateRow, Explanation, Page, QueryRows, SelectedRow } from '../../src/shared/portable/query/query.js';

interface MyEvents {
  TaskStarted: { task: number };
  TaskNoted: string | null;
  TaskDone: { task: number; ok: boolean };
}

declare const store: Store<MyEvents>;
declare const anyStore: Store;
declare const restoreStore: typeof RestoreStore;

describe('an event map', () => {
  test('binds type and data together', () => {
    expectTypeOf<{ type: 'TaskStarted'; data: { task: number } }>().toExtend<NewEvent<MyEvents>>();
    expectTypeOf<{ type: 'TaskStarted'; data: { ok: boolean } }>().not.toExtend<NewEvent<MyEvents>>();
    expectTypeOf<{ type: 'Unknown'; data: null }>().not.toExtend<NewEvent<MyEvents>>();
  });
  test('lets data be left out only where it may be null', () => {
    expectTypeOf<{ type: 'TaskNoted' }>().toExtend<NewEvent<MyEvents>>();
    expectTypeOf<{ type: 'TaskStarted' }>().not.toExtend<NewEvent<MyEvents>>();
  });
  test('is any string and any data by default', () => {
    expectTypeOf<{ type: string }>().toExtend<NewEvent>();
    expectTypeOf<{ type: 'x'; data: { y: 1 } }>().toExtend<NewEvent>();
    expectTypeOf<RecordedEvent['data']>().toBeAny();
  });
  test('narrows a recorded event by its type', () => {
    const event = {} as RecordedEvent<MyEvents>;
    expectTypeOf(event.type).toEqualTypeOf<'TaskStarted' | 'TaskNoted' | 'TaskDone'>();
    if (event.type === 'TaskDone') expectTypeOf(event.data).toEqualTypeOf<{ task: number; ok: boolean }>();
    if (event.type === 'TaskNoted') expectTypeOf(event.data).toEqualTypeOf<string | null>();
  });
});

describe('a predicate', () => {
  test('asks whether there is any metadata', () => {
    expectTypeOf(anyStore.query({ where: { metadata: { exists: true } } }).first()).toEqualTypeOf<
      Promise<RecordedEvent | undefined>
    >();
    // @ts-expect-error operators are wanted
    void anyStore.query({ where: { metadata: true } });
  });
});

describe('a backup', () => {
  test('takes a directory, and tells what it copied', () => {
    expectTypeOf(store.backup('./backup')).toEqualTypeOf<Promise<BackupReport>>();
    const { signal } = new AbortController();
    const onProgress = ({ segments, totalSegments, bytes, totalBytes }: BackupProgress): number =>
      segments / totalSegments + bytes / totalBytes;
    expectTypeOf(store.backup('./backup', { signal, onProgress })).toEqualTypeOf<Promise<BackupReport>>();
    expectTypeOf<BackupReport['lastSequence']>().toEqualTypeOf<number>();
    expectTypeOf<EventLog>().not.toHaveProperty('backup');
    // @ts-expect-error no such option
    store.backup('./backup', { deep: true });
    // @ts-expect-error a directory is wanted
    store.backup();
  });
  test('is restored into another directory', () => {
    expectTypeOf(restoreStore('./backup', './data')).toEqualTypeOf<Promise<RestoreReport>>();
    expectTypeOf<Parameters<typeof restoreStore>[2]>().toEqualTypeOf<RestoreOptions | undefined>();
    // @ts-expect-error into which?
    restoreStore('./backup');
  });
});

describe('a selector', () => {
  test('narrows the rows by its types', () => {
    expectTypeOf(store.read({ types: 'TaskDone' })).toEqualTypeOf<Rows<RecordedEvent<MyEvents, 'TaskDone'>>>();
    expectTypeOf(store.read({ types: ['TaskDone', 'TaskNoted'] })).toEqualTypeOf<
      Rows<RecordedEvent<MyEvents, 'TaskDone' | 'TaskNoted'>>
    >();
    expectTypeOf(store.read([{ types: 'TaskDone' }, { types: 'TaskNoted', tags: 'a' }])).toEqualTypeOf<
      Rows<RecordedEvent<MyEvents, 'TaskDone' | 'TaskNoted'>>
    >();
  });
  test('leaves every type where it names none or a pattern', () => {
    expectTypeOf(store.read()).toEqualTypeOf<Rows<RecordedEvent<MyEvents>>>();
    expectTypeOf(store.read({ streams: 'a*' })).toEqualTypeOf<Rows<RecordedEvent<MyEvents>>>();
    expectTypeOf(store.read({ types: 'Task*' })).toEqualTypeOf<Rows<RecordedEvent<MyEvents>>>();
    expectTypeOf(anyStore.read({ types: ['a', 'b*'] }, { limit: 1 })).toEqualTypeOf<Rows<RecordedEvent>>();
  });
  test('refuses a type that the map does not have', () => {
    // @ts-expect-error no such type
    store.read({ types: 'TaskDon' });
    // @ts-expect-error no such field
    store.read({ type: 'TaskDone' });
  });
});

describe('a query', () => {
  const where = {
    type: { in: ['A', 'B'] },
    'data.n': { gt: 5 },
    and: [{ tags: { eq: 'x' } }],
    not: { 'data.s': { prefix: 'x' } },
  } as const;
  test('returns events, pages of them, and an explanation', () => {
    expectTypeOf(store.query({ where, direction: 'backwards', limit: 5 })).toEqualTypeOf<
      QueryRows<RecordedEvent<MyEvents>>
    >();
    expectTypeOf(store.query('type == "A"')).toEqualTypeOf<QueryRows<RecordedEvent<MyEvents>>>();
    expectTypeOf(store.query({ where }).page()).resolves.toEqualTypeOf<Page<RecordedEvent<MyEvents>>>();
    expectTypeOf(store.query({ where }).explain()).resolves.toEqualTypeOf<Explanation>();
    expectTypeOf(store.query({ where })).toExtend<Rows<RecordedEvent<MyEvents>>>();
    expectTypeOf(store.query({ cursor: undefined as string | undefined })).toExtend<Rows<RecordedEvent<MyEvents>>>();
  });
  test('returns other rows where it asks for them', () => {
    expectTypeOf(store.query({ where, select: ['id', 'data.n'] })).toEqualTypeOf<QueryRows<SelectedRow>>();
    expectTypeOf(store.query('true', { select: ['id'] })).toEqualTypeOf<QueryRows<SelectedRow>>();
    expectTypeOf(store.query({ aggregate: { count: true }, groupBy: 'type' })).toEqualTypeOf<QueryRows<AggregateRow>>();
    expectTypeOf(store.query('true', { aggregate: { min: ['data.n'] } })).toEqualTypeOf<QueryRows<AggregateRow>>();
  });
  test('refuses what is no field, operator or operand', () => {
    // @ts-expect-error no such field
    store.query({ where: { typ: { eq: 'A' } } });
    // @ts-expect-error no such operator
    store.query({ where: { type: { is: 'A' } } });
    // @ts-expect-error a number
    store.query({ where: { type: { eq: 5 } } });
    // @ts-expect-error groups are of single values
    store.query({ aggregate: { count: true }, groupBy: 'tags' });
    // @ts-expect-error the query says that itself
    store.query({ where }, { limit: 5 });
  });
});

describe('the store', () => {
  test('is the portable log and more', () => {
    expectTypeOf<Store<MyEvents>>().toExtend<EventLog<MyEvents>>();
    expectTypeOf<Store<MyEvents>>().toExtend<AsyncDisposable>();
  });
  test('appends one event or several', () => {
    expectTypeOf(store.append('s', { type: 'TaskStarted', data: { task: 1 } })).toEqualTypeOf<Promise<Appended>>();
    expectTypeOf(
      store.append('s', [{ type: 'TaskStarted', data: { task: 1 }, tags: ['task:1'], causes: ['id', 0] }], {
        expect: 'none',
        durability: 'written',
        signal: AbortSignal.timeout(1),
        condition: { match: { types: 'TaskNoted', tags: ['task:1'] }, after: 17 },
      }),
    ).toEqualTypeOf<Promise<Appended>>();
    expectTypeOf(store.appendMany([{ stream: 'a', events: [{ type: 'TaskNoted' }], expect: 3 }])).toEqualTypeOf<
      Promise<AppendedMany>
    >();
    expectTypeOf(store.appendSync('s', { type: 'TaskNoted', data: 'x' })).toEqualTypeOf<Appended>();
    expectTypeOf(store.enqueue('s', { type: 'TaskNoted' }).durable).toEqualTypeOf<Promise<Appended>>();
    expectTypeOf(store.deleteStream('s', { expect: 3, durability: 'written' })).toEqualTypeOf<Promise<Appended>>();
    // @ts-expect-error a deletion has no condition
    store.deleteStream('s', { condition: { match: {} } });
  });
  test('refuses data of another type and options it does not have', () => {
    // @ts-expect-error data of another type
    store.append('s', { type: 'TaskStarted', data: { task: '1' } });
    // @ts-expect-error an enqueued append has no condition
    store.enqueue('s', { type: 'TaskNoted' }, { condition: { match: {} } });
  });
  test('reads', () => {
    expectTypeOf(store.get('id')).toEqualTypeOf<Promise<RecordedEvent<MyEvents> | undefined>>();
    expectTypeOf(store.get(1)).toEqualTypeOf<Promise<RecordedEvent<MyEvents> | undefined>>();
    expectTypeOf(store.readStream('s', { fromRevision: 1, direction: 'backwards' })).toEqualTypeOf<
      Rows<RecordedEvent<MyEvents>>
    >();
    expectTypeOf(store.read({}, { from: new Date(), to: 'end', after: 7, limit: 3 }).first()).resolves.toEqualTypeOf<
      RecordedEvent<MyEvents> | undefined
    >();
    expectTypeOf(store.streams({ prefix: 'a' })).toEqualTypeOf<Rows<StreamInfo>>();
    expectTypeOf(store.read().batches()).toExtend<AsyncIterable<RecordedEvent<MyEvents>[]>>();
  });
});

describe('an error', () => {
  test('is narrowed by its code to that code’s fields', () => {
    const error: unknown = undefined;
    if (isKeeperError(error, 'ERR_CONFLICT')) {
      expectTypeOf(error.code).toEqualTypeOf<'ERR_CONFLICT'>();
      expectTypeOf(error.actual).toEqualTypeOf<number | 'none'>();
      expectTypeOf(error.outcome).toEqualTypeOf<'not-appended' | 'unknown' | undefined>();
    }
    if (isKeeperError(error, 'ERR_LOCKED')) expectTypeOf(error.pid).toEqualTypeOf<number>();
  });

  test('is narrowed by a look at its code as well', () => {
    const error: unknown = undefined;
    if (!isKeeperError(error)) return;
    if (error.code === 'ERR_CONFLICT') expectTypeOf(error.actual).toEqualTypeOf<number | 'none'>();
    if (error.code === 'ERR_LOCKED') expectTypeOf(error.pid).toEqualTypeOf<number>();
  });
});

describe('the portable log', () => {
  test('signs and proves, as an embedded store does', () => {
    const log: EventLog<MyEvents> = store;
    expectTypeOf(log.checkpoint()).toEqualTypeOf<Promise<Checkpoint>>();
    expectTypeOf(log.prove(1)).toEqualTypeOf<Promise<InclusionProof>>();
    expectTypeOf<EventLog>().not.toHaveProperty('rotateKey');
  });
});
