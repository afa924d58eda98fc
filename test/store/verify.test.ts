/** Verifying many segments, several at a time. */
import fs from 'node:fs';
import path from 'node:path';
import type { Store, VerifyProgress, VerifyReport } from 'keeperlog';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Records } from '../../dist/main/read/records.js';
import { openReadOnlyStore } from '../../dist/main/read-only-store.js';
import { threadRuntime } from '../../dist/main/runtime.js';
import { type Pool, threadEnded, workOf } from '../../dist/main/seal/pool.js';
import { openStoreOn } from '../../dist/main/store.js';
import { OperatorLog } from '../../dist/main/telemetry/operator-log.js';
import { verifyLog } from '../../dist/main/verify.js';
import { parseOptions } from '../../dist/shared/options.js';
import { nodeStorage } from '../../dist/shared/storage.js';
import { InlineRuntime } from '../crash/inline-runtime.js';
import { MemoryDisk } from '../crash/memory-disk.js';
import { OPTIONS } from '../crash/session.js';
import { wholeStore } from '../repair/kit.js';
import { failure, refusal } from '../support/errors.js';
import { open, reopen } from '../support/stores.js';

const EVENTS = 120;

/** A pool whose thread ends so many times over the first part that is verified. */
class EndingRuntime extends InlineRuntime {
  #ends: number;

  constructor(disk: MemoryDisk, ends: number) {
    super(disk);
    this.#ends = ends;
  }

  override pool(): Pool {
    const { run, close } = super.pool();
    return {
      run: (task) => {
        if (task.kind === 'verify' && this.#ends-- > 0) return Promise.reject(threadEnded(new Error('out of memory')));
        return run(task);
      },
      close,
    };
  }
}

/** A dozen segments, the first of which are sealed. */
async function large(poolThreads: number): Promise<Store> {
  const store = await open({ segmentBytes: 65_536, poolThreads });
  const event = { type: 'Said', data: 'what an agent says. '.repeat(250) };
  for (let i = 0; i < EVENTS; i++) {
    await store.append(`s${i % 7}`, event);
    if (i === EVENTS / 2) await store.seal();
  }
  expect(store.stats().segments).toBeGreaterThan(8);
  return store;
}

/** Turn a byte over in the middle of some segments, raw or sealed. */
function damage(store: Store, numbers: readonly number[]): string[] {
  const { dir } = store.stats();
  return numbers.map((number) => {
    const name = fs.readdirSync(dir).find((one) => one.startsWith(`segment-${String(number).padStart(10, '0')}.`))!;
    const file = path.join(dir, name);
    const bytes = fs.readFileSync(file);
    bytes[Math.floor(bytes.length / 2)]! ^= 1;
    fs.writeFileSync(file, bytes);
    return file;
  });
}

describe('verify', () => {
  test('reads several segments at a time, and tells how far it is', async () => {
    const store = await large(3);
    const told: VerifyProgress[] = [];
    const report = await store.verify({ deep: true, onProgress: (progress) => void told.push(progress) });
    expect(report).toMatchObject({ ok: true, events: EVENTS, segments: store.stats().segments, problems: [] });
    expect(told.length).toBeGreaterThanOrEqual(report.segments);
    expect(told.at(-1)).toMatchObject({ segments: report.segments, events: EVENTS, bytes: report.bytes });
    for (const [i, { events }] of told.entries()) expect(events).toBeGreaterThan(told[i - 1]?.events ?? 0);
  });

  test('finds the same with one thread as with four, in the order of the log', async () => {
    const reports: VerifyReport[] = [];
    for (const threads of [1, 4]) {
      const store = await large(threads);
      const files = damage(store, [2, 4, 8]);
      const report = await store.verify({ deep: true });
      expect([...new Set(report.problems.map(({ file }) => file))]).toEqual(files);
      const problems = report.problems.map((problem) => ({ ...problem, file: path.basename(problem.file) }));
      reports.push({ ...report, problems });
    }
    expect(reports[1]).toEqual(reports[0]);
    expect(reports[0]).toMatchObject({ ok: false });
    expect(reports[0]!.problems).toContainEqual(expect.objectContaining({ message: 'the frame does not verify' }));
  });

  test('ends with the store', async () => {
    const store = await large(2);
    let closing: Promise<void> | undefined;
    const onProgress = (): void => {
      closing ??= store.close();
    };
    await failure('ERR_CLOSED', () => store.verify({ onProgress }));
    await closing;
    await failure('ERR_CLOSED', () => store.verify());
  });

  test('ends with what its listener throws, and waits for its threads first', async () => {
    const store = await large(2);
    const thrown = new Error('enough');
    const verified = store.verify({
      onProgress: () => {
        throw thrown;
      },
    });
    await expect(verified).rejects.toBe(thrown);
    expect(await store.verify()).toMatchObject({ ok: true });
  });

  test('names a sealed segment whose file cannot be read at all, and looks at the others', async () => {
    const store = await large(2);
    const file = path.join(store.stats().dir, 'segment-0000000002.sealed');
    fs.writeFileSync(file, Buffer.alloc(1000));
    const { ok, problems, events } = await store.verify();
    expect({ ok, first: problems[0] }).toMatchObject({ ok: false, first: { code: 'ERR_CORRUPT', file } });
    expect(events).toBeGreaterThan(EVENTS * 0.8);
  });

  test('goes on where a thread of the pool has ended over a part, once more and not for ever', async () => {
    const { image, events } = await wholeStore();
    for (const [ends, ok] of [
      [2, true],
      [3, false],
    ] as const) {
      const runtime = new EndingRuntime(new MemoryDisk(image), ends);
      const store = await openStoreOn({ ...OPTIONS, readOnly: true }, runtime);
      const report = await store.verify({ deep: true });
      expect(report.ok).toBe(ok);
      if (ok) expect(report.events).toBe(events.size);
      else expect(report.problems).toEqual([expect.objectContaining({ code: 'ERR_STORAGE', firstSequence: 1 })]);
      await store.close();
    }
  });

  test('reads beside a writer that rotates and seals', async () => {
    const store = await open({ segmentBytes: 65_536, sealing: 'background' });
    const { dir } = store.stats();
    await store.append('s', { type: 'Said' });
    const reader = await open({ dir, readOnly: true });
    const event = { type: 'Said', data: 'what an agent says. '.repeat(250) };
    const seen: number[] = [];
    for (let round = 0; round < 10; round++) {
      const appending = (async () => {
        for (let i = 0; i < 30; i++) await store.append(`s${i % 7}`, event);
      })();
      const report = await reader.verify({ deep: true });
      expect(report.problems).toEqual([]);
      seen.push(report.events);
      await appending;
    }
    // The writer tells who follows it how far it has come after its own caller.
    await vi.waitFor(async () => expect((await reader.head())?.sequence).toBe(301));
    expect(await reader.verify({ deep: true })).toMatchObject({ ok: true, events: 301 });
    expect([...seen].sort((one, other) => one - other)).toEqual(seen);
  });
});

test('says nothing of a segment that was begun behind the durable end, by when that was asked for', async () => {
  const store = await large(2);
  const { dir } = store.stats();
  const settings = parseOptions({ dir, readOnly: true });
  const log = new OperatorLog({ error() {}, warn() {}, info() {}, debug() {} }, dir);
  const { found, records } = await openReadOnlyStore(settings, log, nodeStorage);
  const pool = threadRuntime.pool(2);
  onTestFinished(async () => {
    records.catalog.close();
    await pool.close();
  });
  const { catalog, floor, holes } = records;
  const earlier = { catalog, floor, holes, lease: () => records.lease(), durable: () => 5 } as unknown as Records;
  const work = workOf(settings, found.storeId, holes);
  const parts = { records: earlier, pool, threads: 2, work, onTombstone() {}, checkOpen() {} };
  expect(await verifyLog(parts, { deep: true })).toMatchObject({ report: { ok: true, events: 5, problems: [] } });
});

test.each([
  ['options', 5],
  ['options', null],
  ['foo', { foo: 1 }],
  ['deep', { deep: 'yes' }],
  ['signal', { signal: 1 }],
  ['onProgress', { onProgress: 1 }],
])('refuses %s of %j before it reads anything', async (at, options) => {
  const store = await open();
  expect(await refusal(() => store.verify(options as never))).toEqual({ code: 'ERR_INVALID_OPTIONS', path: at });
});

test.each([
  ['options', 5],
  ['options', null],
  ['dir', { dir: '/elsewhere' }],
  ['dryRun', { dryRun: 1 }],
  ['signal', { signal: 1 }],
  ['onProgress', { onProgress: 1 }],
])('and a repair by a store refuses %s of %j', async (at, options) => {
  const store = await reopen(await open(), { readOnly: true });
  expect(await refusal(() => store.repair(options as never))).toEqual({ code: 'ERR_INVALID_OPTIONS', path: at });
});
