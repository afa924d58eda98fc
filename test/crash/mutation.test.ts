import { describe, expect, it } from 'vitest';
import { TIMEOUT_MS } from '../support/effort.js';
import { checkAll } from './explore.js';
import type { Step } from './image.js';
import { intercept } from './intercept.js';
import { record, SCENARIOS } from './scenarios.js';
import { type Disk, Session } from './session.js';

interface Lies {
  readonly sync?: (name: string) => boolean;
  readonly syncDir?: boolean;
  /** Of bytes that a file seems to have already. */
  readonly writeAgain?: boolean;
}

/** A disk that reports some calls as done and does not do them. */
function lying(inner: Disk, lies: Lies): Disk {
  return intercept(inner, {
    write(handle, parts, offset) {
      const bytes = Buffer.concat(parts);
      const present = Buffer.alloc(bytes.length);
      const length = inner.read(handle, present, offset);
      if (lies.writeAgain === true && present.subarray(0, length).equals(bytes)) return length;
      return inner.write(handle, parts, offset);
    },
    sync(handle) {
      if (lies.sync?.(inner.nameOf(handle)!) !== true) inner.sync(handle);
    },
    syncDir(dir) {
      if (lies.syncDir !== true) inner.syncDir(dir);
    },
  });
}

const isCheckpoint = (step: Step<unknown>): boolean => 'name' in step && step.name.endsWith('keeperlog.heads.tmp');
const isSegment = (name: string): boolean => name.endsWith('.log');

/** What is not done, and how that shows. */
const MUTATIONS: Record<string, { readonly lies: Lies; readonly found: string }> = {
  'the sync of the log': { lies: { sync: isSegment }, found: 'acknowledged calls' },
  'the sync of the manifest': {
    lies: { sync: (name) => name.endsWith('keeperlog.manifest.tmp') },
    found: 'the manifest does not verify',
  },
  'the sync of the directory': { lies: { syncDir: true }, found: 'the manifest is missing' },
};

describe('the crash states find what is lost without', () => {
  it.each(Object.entries(MUTATIONS))(
    '%s',
    async (_, { lies, found }) => {
      const scenario = SCENARIOS.find(({ name }) => name.startsWith('rotation while'))!;
      const disk = await record(scenario, new Session(scenario.pokes, undefined, (inner) => lying(inner, lies)));
      await expect(checkAll(disk, 0)).rejects.toThrow(found);
    },
    TIMEOUT_MS,
  );

  it(
    'nothing where it is the sync of the checkpoint: one that does not verify is made anew when the store is opened',
    async () => {
      const scenario = SCENARIOS.find(({ name }) => name.startsWith('rotation while'))!;
      const lies = { sync: (name: string) => name.endsWith('keeperlog.heads.tmp') };
      const disk = await record(scenario, new Session(scenario.pokes, undefined, (inner) => lying(inner, lies)));
      // Whatever comes before the first checkpoint is as in the other tests.
      await checkAll(
        disk,
        disk.journal.findIndex((step) => isCheckpoint(step)),
      );
    },
    TIMEOUT_MS,
  );

  it(
    'the sync of frames that recovery has found',
    async () => {
      let recovering = false;
      const lies = { sync: (name: string) => recovering && isSegment(name) };
      const session = new Session('at-once', undefined, (inner) => lying(inner, lies));
      await session.open();
      await session.dieAppending('die-before-sync', 'a', 900);
      recovering = true;
      await session.open();
      recovering = false;
      expect(session.promised).toMatchObject({ acknowledged: 1 });
      await expect(checkAll(session.disk)).rejects.toThrow('no valid header');
    },
    TIMEOUT_MS,
  );

  it(
    'the second write of frames whose sync has failed',
    async () => {
      const session = new Session('at-once', undefined, (inner) => lying(inner, { writeAgain: true }));
      await session.open();
      await session.failAppending('a', 900);
      await session.close();
      await session.open();
      expect(session.promised).toMatchObject({ acknowledged: 1 });
      await expect(checkAll(session.disk)).rejects.toThrow('no valid header');
    },
    TIMEOUT_MS,
  );
});
