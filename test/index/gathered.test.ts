/** What sealing gathers for the index on its way is of use, and never needed. */
import { beforeAll, expect, it } from 'vitest';
import { Indexer } from '../../dist/main/seal/indexer.js';
import { type Pool, threadEnded } from '../../dist/main/seal/pool.js';
import { Sealer } from '../../dist/main/seal/sealer.js';
import type { SealTask } from '../../dist/shared/seal-tasks.js';
import { storageError } from '../../dist/shared/storage.js';
import { runSealTask } from '../../dist/workers/seal/seal.js';
import type { Image } from '../crash/image.js';
import { intercept } from '../crash/intercept.js';
import { MemoryDisk } from '../crash/memory-disk.js';
import { DIR } from '../crash/session.js';
import { contentOf, filesOf, flippedAt, open, pathOf } from '../repair/kit.js';
import { paceOf } from '../support/pace.js';
import { NO_LEASE } from './kit.js';
import { emptyStore, rawStore } from './questions.js';

const RUNS = 'segment-0000000001.index.runs.tmp';
const INDEX = 'segment-0000000001.index';

let raw: Image;
let wanted: Buffer;
let identity: { storeId: string; nodeId: string };

beforeAll(async () => {
  raw = await rawStore(await emptyStore());
  const disk = new MemoryDisk(raw);
  const store = await open(disk);
  identity = store.stats();
  await store.seal();
  await store.close();
  wanted = contentOf(disk.image(), INDEX);
});

interface Sealing {
  readonly sealer: Sealer;
  readonly disk: MemoryDisk;
  /** What the pool was asked for: kinds, and steps of the index. */
  readonly asked: string[];
  readonly failures: unknown[];
}

/** Sealing of the first segment of a store that nobody has open. */
function sealing(
  before: (what: string, disk: MemoryDisk) => void = () => {},
  { storage = (disk: MemoryDisk) => disk, lease = (): typeof NO_LEASE | undefined => NO_LEASE } = {},
): Sealing {
  const disk = new MemoryDisk(raw);
  const seen = storage(disk);
  const asked: string[] = [];
  const failures: unknown[] = [];
  const pool: Pool = {
    async run(task) {
      const { kind, step } = task as Extract<SealTask, { kind: 'index' }>;
      const what = kind === 'index' ? step.step : kind;
      asked.push(what);
      before(what, disk);
      return structuredClone(await runSealTask(seen, task)) as any;
    },
    async close() {},
  };
  const of = { dir: DIR, storeId: Buffer.from(identity.storeId, 'hex'), holes: [] };
  const { nodeId } = identity;
  const indexer = new Indexer({
    storage: disk,
    pool,
    work: { ...of, nodeId },
    pace: paceOf(),
    lease,
    onMade() {},
    onFailure: (error) => void failures.push(error),
  });
  const catalog = { full: () => [1], moved() {} };
  const sealer = new Sealer({ pool, catalog, work: { ...of, codec: 1 }, nodeId, indexer, pace: paceOf() });
  return { sealer, disk, asked, failures };
}

function expectIndexed({ disk, failures }: Sealing): void {
  expect(failures).toEqual([]);
  expect(contentOf(disk.image(), INDEX).equals(wanted)).toBe(true);
  expect(filesOf(disk.image()).filter((name) => name.endsWith('.tmp'))).toEqual([]);
}

it('makes an index without reading the segment once more', async () => {
  const made = sealing();
  await made.sealer.seal({});
  expectIndexed(made);
  expect([...new Set(made.asked)]).toEqual(['begin', 'pack', 'assemble', 'compare', 'commit', 'offsets', 'merge']);
  expect(made.asked.filter((what) => what === 'commit')).toHaveLength(2);
});

it('that cannot be written holds up no sealing, and is made up for behind it', async () => {
  let left = 1;
  const full = (disk: MemoryDisk): MemoryDisk =>
    intercept(disk, {
      openWrite: (file: string, mode: any) => {
        if (file.endsWith(RUNS) && left-- > 0) {
          throw storageError(Object.assign(new Error('full'), { code: 'ENOSPC' }), 'open', file);
        }
        return disk.openWrite(file, mode);
      },
    });
  const made = sealing(undefined, { storage: full });
  expect(await made.sealer.seal({})).toMatchObject({ segments: 1 });
  expectIndexed(made);
  expect(made.asked).toContain('run');
});

it.each<[string, (disk: MemoryDisk) => void]>([
  [
    'is damaged',
    (disk) => {
      const bytes = flippedAt(contentOf(disk.image(), RUNS), 100);
      const handle = disk.openWrite(pathOf(RUNS), 'create');
      disk.write(handle, [bytes], 0);
      disk.close(handle);
    },
  ],
  ['is gone', (disk) => disk.remove(pathOf(RUNS))],
  [
    'is gone with a thread',
    () => {
      throw threadEnded(new Error('out of memory'));
    },
  ],
])('that %s is gathered again', async (_, happens) => {
  let left = 1;
  const made = sealing((what, disk) => {
    if (what === 'offsets' && left-- > 0) happens(disk);
  });
  expect(await made.sealer.seal({})).toMatchObject({ segments: 1 });
  expectIndexed(made);
  expect(made.asked).toContain('run');
});

it('whose index could not be synced is not made a second time', async () => {
  const failing = (disk: MemoryDisk): MemoryDisk => {
    const files = new Map<number, string>();
    return intercept(disk, {
      openWrite: (file: string, mode: any) => {
        const handle = disk.openWrite(file, mode);
        files.set(handle, file);
        return handle;
      },
      sync: (handle: number) => {
        if (files.get(handle)!.endsWith('.index.tmp')) throw storageError({ code: 'EIO' }, 'fdatasync');
        disk.sync(handle);
      },
    });
  };
  const made = sealing(undefined, { storage: failing });
  expect(await made.sealer.seal({})).toMatchObject({ segments: 1 });
  expect(made.failures).toEqual([expect.objectContaining({ code: 'ERR_STORAGE' })]);
  expect(made.asked).not.toContain('run');
  expect(filesOf(made.disk.image()).filter((name) => /tmp|index/.test(name))).toEqual([]);
});

it('goes with an abort between a segment and its index', async () => {
  const controller = new AbortController();
  const made = sealing((what) => {
    if (what === 'commit') controller.abort();
  });
  await expect(made.sealer.seal({ signal: controller.signal })).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  await made.sealer.close();
  const files = filesOf(made.disk.image());
  expect(files).toContain('segment-0000000001.sealed');
  expect(files.filter((name) => /tmp|index/.test(name))).toEqual([]);
});

it('goes with the segment that is removed meanwhile', async () => {
  const made = sealing(undefined, { lease: () => undefined });
  expect(await made.sealer.seal({})).toMatchObject({ segments: 1 });
  expect(made.failures).toEqual([]);
  expect(filesOf(made.disk.image()).filter((name) => /tmp|index/.test(name))).toEqual([]);
});
