/** The places in the engine that ask for a sync, as recordings come by them, and those of which nothing that is promised depends. */
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { CallSite } from './image.js';
import type { Recording } from './recording.js';

const BUILT = fileURLToPath(new URL('../../dist/', import.meta.url));

interface NotNeeded {
  readonly why: string;
  /** Another call site that does the same: without both, something is lost. */
  readonly otherwise?: string;
}

const HINT = 'the watermark is a hint: the log says itself how far it goes';
const CHECKPOINT =
  'a checkpoint is never an authority: one that does not verify, or is an older one, is made good from the log';
const NEW_WATERMARK = 'syncDir@storage.replaceFile<watermark-file.open';
const FIRST_SEGMENT = 'syncDir@log-file.openSegmentFile<rotation.firstLogFile';

/** Syncs without which nothing that is promised is lost. Every other one must be missed when it is left out. */
export const NOT_NEEDED: Readonly<Record<string, NotNeeded>> = {
  'sync@checkpoint-writer.writeCheckpoint<background.#try': { why: CHECKPOINT },
  'syncDir@checkpoint-writer.commitCheckpoint<background.#try': { why: CHECKPOINT },
  'sync@watermark-file.sync<writer.open': { why: HINT },
  'sync@watermark-file.sync<writer.#syncWatermark': { why: HINT },
  'sync@watermark-file.sync<writer.#close': {
    why: 'without the mark of a clean end, recovery takes the end for an unclean one, and writes it again in vain',
  },
  'sync@storage.replaceFile<watermark-file.open': { why: HINT },
  [NEW_WATERMARK]: { why: 'it has the first segment durable, which was synced just before', otherwise: FIRST_SEGMENT },
  [FIRST_SEGMENT]: { why: "the watermark's file is made next, in the same directory", otherwise: NEW_WATERMARK },
  'sync@log-file.probe<writer.#probe': {
    why: 'it tries whether there is space for zeros, which a file system may say no earlier than at the sync',
  },
  'syncDir@storage.replaceFile<recovery.createStore': {
    why: 'the manifest of the first epoch replaces it, and is durable before there is anything else',
  },
  'sync@sync-due.syncWhereDue<pack.writeBlocks': {
    why: 'the whole file is synced when it is assembled: this one has that take less time',
    otherwise: 'sync@assemble.assembleSealed<seal.assemble',
  },
  'sync@sync-due.syncWhereDue<compact.rewrite': {
    why: 'the whole file is synced when it is assembled: this one has that take less time',
    otherwise: 'sync@assemble.assembleSealed<compact.assemble',
  },
  'syncDir@compact.commit<compact.runCompactStep': {
    why: 'the index file is made next, in the same directory; where that does not work this one has what is gone be gone',
    otherwise: 'syncDir@index-steps.commit<index-steps.runIndexStep',
  },
  'syncDir@index-steps.commit<index-steps.runIndexStep': {
    why: 'an index that is not there is made again from its segment',
  },
  'syncDir@recovery.mend<recovery.recover': {
    why: "the segment's name was durable before its header, that of a torn tail is so since it was set aside; of what else a process has left in the directory nothing depends",
  },
};

/** The call sites of the syncs in a recording, by their names. */
export function sitesOf({ disk, from }: Recording): Map<string, CallSite> {
  const sites = new Map<string, CallSite>();
  for (const step of disk.journal.slice(from)) {
    if ((step.kind === 'sync' || step.kind === 'syncDir') && step.by !== undefined) sites.set(step.by.name, step.by);
  }
  return sites;
}

/** The lines of the built files in which a storage is asked for a sync, such as `workers/writer/log-file.js:61`. */
export function linesThatSync(): string[] {
  const files = fs.readdirSync(BUILT, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.js'));
  return files.flatMap((file) => {
    const lines = fs.readFileSync(path.join(BUILT, file), 'utf8').split('\n');
    return lines.flatMap((line, i) => (/storage\.sync(Dir)?\(/i.test(line) ? [`${file}:${i + 1}`] : []));
  });
}
