import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { openStore } from '../../dist/main/index.js';
import { effort, progress, SEED, TIMEOUT_MS, tally } from '../support/effort.js';
import { type Ack, cannot, expectWhole, failure, Program, segmentPath, temporaryDir } from './kit.js';
import { random } from './load.mjs';
import { cannotCut, FILE_SYSTEMS, type FileSystem, freeze, type LoopDisk, loopDisk } from './power.js';

const event = { type: 'work.done', data: { some: 'thing' } };
/** Syncs that say that all is well, and do nothing. */
const LYING = ['-e', 'trace=fdatasync,fsync', '-e', 'inject=fdatasync,fsync:retval=0'];

/** Open, check with `check`, close: a disk must have no open file when it goes. */
async function look<T>(dir: string, check: (store: Awaited<ReturnType<typeof openStore>>) => Promise<T>): Promise<T> {
  const store = await openStore({ dir, segmentBytes: 65_536, sealing: 'on-demand' });
  try {
    return await check(store);
  } finally {
    await store.close();
  }
}

/** A store of ten events, closed in order; then ten more by a program whose syncs lie, which is cut off or killed. */
async function liedTo(dir: string, strace: readonly string[], end: (program: Program) => Promise<void>) {
  const honest = new Program();
  await honest.call('open', { dir });
  const before = await honest.call('appendUntilError', { stream: 'a', event, atMost: 10 });
  await honest.call('close');
  await honest.kill();
  const program = new Program({ strace: ['-o', '/dev/null', ...strace] });
  await program.call('open', { dir });
  const after = await program.call('appendUntilError', { stream: 'a', event, atMost: 10 });
  expect(after.ids).toHaveLength(10);
  await end(program);
  return { honest: [{ call: 'a', ids: before.ids }], lied: [{ call: 'a', ids: after.ids }] };
}

async function cutUnder(program: Program, disk: LoopDisk): Promise<void> {
  disk.cut();
  await program.kill();
  disk.comeBack();
}

for (const kind of Object.keys(FILE_SYSTEMS) as FileSystem[]) {
  describe.skipIf(cannotCut(kind))(`power loss on ${kind}`, () => {
    it(
      'keeps every acknowledged event',
      async () => {
        const disk = loopDisk(kind);
        const dir = path.join(disk.dir, 'store');
        const next = random(SEED);
        const acks: Ack[] = [];
        const rounds = effort(3, 60);
        for (let round = 0; round < rounds; round++) {
          const wanted = Math.floor(next() * 120);
          const program = new Program();
          const load = { run: `${round}`, seed: SEED + round };
          const loading = program.call('open', { dir, segmentBytes: 65_536 }).then(() => program.call('load', load));
          loading.catch(() => {}); // its disk goes away
          // A part of the cuts comes while the store is opened.
          if (wanted < 12) await program.pid;
          else await program.acknowledged(wanted);
          // A sync that is under way while ext4 is shut down may return without an error though nothing was synced. Where power
          // fails nobody is left to hear of that: so here nobody is, either.
          await freeze(program);
          await cutUnder(program, disk);
          acks.push(...program.acks);
          await look(dir, (store) => expectWhole(store, acks)).catch((error) => {
            throw new Error(`${kind}, FAULTS_SEED=${SEED}, round ${round}: ${error.message}`, { cause: error });
          });
          progress(`power loss on ${kind}: round ${round}, ${acks.length} calls acknowledged so far`);
        }
        tally('disks', `power losses on ${kind}`, rounds);
      },
      TIMEOUT_MS,
    );

    it.skipIf(kind !== 'ext4' || cannot('strace') !== undefined)(
      'takes what a lying sync has promised, which nothing on the disk can tell and the record of acknowledgements does',
      async () => {
        const disk = loopDisk(kind);
        const dir = path.join(disk.dir, 'store');
        const { honest, lied } = await liedTo(dir, LYING, (program) => cutUnder(program, disk));
        await look(dir, async (store) => {
          expect(store.stats()).toMatchObject({ durable: 10, recovery: { clean: true, tornBytes: 0 } });
          await expectWhole(store, honest);
          expect((await failure(expectWhole(store, lied))).message).toMatch(/acknowledged event .* is not there/);
        });
        tally('disks', 'lying syncs', 1);
      },
    );

    it.skipIf(kind !== 'ext4' || cannot('strace') !== undefined)(
      'is told as damage where only the syncs of the log have lied: the watermark says that there was more',
      async () => {
        const disk = loopDisk(kind);
        const dir = path.join(disk.dir, 'store');
        const { honest } = await liedTo(dir, ['-P', segmentPath(dir, 1), ...LYING], async (program) => {
          await program.call('close');
          await cutUnder(program, disk);
        });
        const range = { firstSequence: 11, lastSequence: 20 };
        expect(await failure(openStore(dir))).toMatchObject({ code: 'ERR_CORRUPT', ...range });
        const store = await openStore({ dir, readOnly: true });
        expect(await store.read(undefined, { limit: 10 }).toArray()).toMatchObject(
          honest[0]!.ids.map((id: string) => ({ id })),
        );
        await store.close();
        tally('disks', 'lying syncs', 1);
      },
    );
  });
}

describe.skipIf(cannot('strace') !== undefined)('a lying sync', () => {
  it('loses nothing where only the program is killed: the page cache outlives it', async () => {
    const dir = temporaryDir();
    const { honest, lied } = await liedTo(dir, LYING, (program) => program.kill());
    await look(dir, (store) => expectWhole(store, [...honest, ...lied]));
  });
});
