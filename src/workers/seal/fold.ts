/** What is to be kept of segments that go: the heads of their streams, and the results of calls that had keys. */
import { bytesOf } from '../../shared/entries.js';
import { encodeResult } from '../../shared/format/base.js';
import { ENTRY_BYTES } from '../../shared/format/checkpoint.js';
import type { PlaceHasher } from '../../shared/format/checksum.js';
import { NameHasher } from '../../shared/format/name-hash.js';
import {
  FLAG,
  type Memory,
  recordFlags,
  recordParts,
  recordRevision,
  recordSequence,
  writeSafeInteger,
} from '../../shared/format/record.js';
import { isRemoved } from '../../shared/format/removed-record.js';
import type { SealResults, SealTaskOf } from '../../shared/seal-tasks.js';
import type { Storage } from '../../shared/storage.js';
import { framesFrom } from './frames.js';

/** @throws ERR_CORRUPT where a frame does not verify: what cannot be read does not go; ERR_STORAGE */
export async function fold(
  storage: Storage,
  hasher: PlaceHasher,
  task: SealTaskOf<'fold'>,
): Promise<SealResults['fold']> {
  const { memory, starts: all, to } = framesFrom(storage, hasher, task, task.part);
  const starts = all.filter((at) => !isRemoved(memory.view, at));
  const names = await NameHasher.create(Buffer.from(task.hashKey, 'hex'));
  return { heads: headsOf(names, memory, starts), results: Buffer.concat(resultsOf(names, memory, starts)), to };
}

/** The last event of each stream, as entries of the base. */
function headsOf(names: NameHasher, { bytes, view }: Memory, starts: readonly number[]): Uint8Array {
  const last = new Map<string, number>();
  for (const at of starts) {
    const parts = recordParts(view, at);
    last.set(bytes.toString('latin1', parts.stream, parts.type), at);
  }
  const heads = bytesOf(new Uint8Array(last.size * ENTRY_BYTES));
  let entry = 0;
  for (const [name, at] of last) {
    const hash = names.hashParts([Buffer.from(name, 'latin1')]);
    for (const [i, word] of hash.entries()) heads.view.setUint32(entry + 4 * i, word, true);
    writeSafeInteger(heads.view, entry + 16, recordRevision(view, at) + 1);
    writeSafeInteger(heads.view, entry + 24, recordSequence(view, at));
    entry += ENTRY_BYTES;
  }
  return heads.bytes;
}

/** Of each call of which an event has a key, all events: a call is repeated as a whole. */
function resultsOf(names: NameHasher, memory: Memory, starts: readonly number[]): Buffer[] {
  const results: Buffer[] = [];
  let call: number[] = [];
  let isKeyed = false;
  const end = (): void => {
    if (isKeyed) for (const at of call) results.push(encodeResult(names, memory, at));
    call = [];
    isKeyed = false;
  };
  for (const at of starts) {
    const flags = recordFlags(memory.view, at);
    // What a repair has left of a call may lack its beginning, or its end.
    if ((flags & FLAG.first) !== 0) end();
    const parts = recordParts(memory.view, at);
    call.push(at);
    isKeyed ||= parts.lists > parts.key;
    if ((flags & FLAG.last) !== 0) end();
  }
  end();
  return results;
}
