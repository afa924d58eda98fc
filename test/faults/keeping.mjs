/** What is done with a store beside appending to it: steps, one after the other, whatever becomes of each. */
import fs from 'node:fs';
import path from 'node:path';
import { openStore } from '../../dist/main/index.js';
import { plain } from './steps.mjs';

/** A fault may have something not be made, and tell nobody: nobody waits for it any longer. Unit: milliseconds. */
const PATIENCE_MS = 5000;

const STEPS = {
  delete: ({ store, stream }) => store.deleteStream(stream),
  append: ({ store }) => store.append('after', { type: 'WentOn' }),
  compact: async ({ store }) => ({ compacted: await store.compact() }),
  read: async ({ store }) => ({ rows: (await store.read().toArray()).map(({ stream, type }) => `${stream} ${type}`) }),
  async seal({ store, dir }) {
    const sealed = await store.seal();
    const names = fs.readdirSync(dir);
    return { sealed, made: names.filter((name) => /\.(sealed|index)$/.test(name)) };
  },
  sign: async ({ store }) => ({ signed: (await store.checkpoint()).size }),
  async query({ store, where }) {
    return { sequences: (await store.query({ where }).toArray()).map(({ sequence }) => sequence) };
  },
  /** Until there are other files than at the beginning, or it is told that there will not be. */
  async made({ isMade, lines, files }) {
    const failures = () => lines.filter(({ msg }) => msg?.includes('could not be ')).length;
    const until = performance.now() + PATIENCE_MS;
    while (files.filter(isMade).length + failures() < files.length && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return { made: files.filter(isMade) };
  },
  /** Until the log goes on in another segment. */
  async fill({ store, segmentBytes }) {
    const { segments } = store.stats();
    const ids = [];
    for (let i = 0; store.stats().segments === segments; i++) {
      const event = { type: 'Filled', data: 'x'.repeat(segmentBytes / 8) };
      ids.push(...(await store.append(`filler-${i}`, event)).ids);
    }
    return { ids };
  },
  again: ({ store, keyed }) => store.append(keyed.stream, keyed.events),
  expect: ({ store, stream, revision }) => store.append(stream, { type: 'Expected' }, { expect: revision }),
};

/**
 * Open a store, do the steps, and close it.
 * @param given names of the steps; what they ask for; the store's options
 * @param tell hears of every step what became of it, before the next one begins
 */
export async function keep({ steps, stream, where, files = [], keyed, revision, ...options }, lines, tell) {
  const before = files.map((file) => identityOf(path.join(options.dir, file)));
  const isMade = (file, i) => identityOf(path.join(options.dir, file)) !== before[i];
  const store = await openStore(options);
  const { dir, segmentBytes } = options;
  const asked = { store, dir, segmentBytes, stream, where, files, keyed, revision, lines, isMade };
  for (const step of steps) {
    try {
      tell({ call: step, outcome: 'acknowledged', ...(await STEPS[step](asked)) });
    } catch (error) {
      tell({ call: step, ...plain(error) });
    }
  }
  await store.close();
}

/** Which file has a name; a number that was freed may be given again. */
function identityOf(file) {
  const found = fs.statSync(file, { bigint: true, throwIfNoEntry: false });
  return found && `${found.ino} ${found.mtimeNs}`;
}
