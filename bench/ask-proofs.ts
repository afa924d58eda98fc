/** Checkpoints and proofs over the store of the bench of asking, each beside the hashes and the signature that it comes to. */
import path from 'node:path';
import { openStore } from 'keeperlog';
import { verifyProof } from 'keeperlog/proof';
import { type Asked, STRIDE } from './ask-store.js';
import { bareHashing, bareReplace, bareSigning } from './bare.js';
import { small } from './events.js';
import { median, whole } from './report.js';
import { bareTimes, percentile, timed, times } from './timing.js';

/** A figure, and its floor in the same unit. */
export type Measured = readonly [figure: number, floor: number];

/** A leaf is hashed with a byte before the record's digest, a node with one before its two halves. Unit: bytes. */
const [LEAF_BYTES, NODE_BYTES] = [33, 65];
const [TILE_LEAVES, TILE_BYTES] = [256, 8192];
const PROOFS = 1000;
const CHECKPOINTS = 30;
const BATCH = 1000;

/** Milliseconds, by what was done. */
export async function proofs({ store, dir, events, rawBytesPerEvent }: Asked): Promise<Map<string, Measured>> {
  const measured = new Map<string, Measured>();
  const { sign, verify } = bareSigning();
  // So many leaves and about as many nodes over them, in tiles; signed, in a file of its own.
  const tree = (leaves: number): number => {
    const hashing = bareHashing(leaves, LEAF_BYTES) + bareHashing(leaves, NODE_BYTES);
    return hashing + sign + bareReplace(path.dirname(dir), Math.ceil(leaves / TILE_LEAVES) + 1, TILE_BYTES);
  };
  const records = (count: number): number => bareHashing(count, Math.round(rawBytesPerEvent));

  const sealed = store.stats().durable;
  const [first, older] = await timed(() => store.checkpoint());
  measured.set('checkpoint(), the first, of sealed segments', [first, tree(sealed)]);
  for (const count of [1, events / 1000, events / 10]) {
    const [taken, floors]: [number[], number[]] = [[], []];
    for (let i = 0; i < (count === 1 ? CHECKPOINTS : 3); i++) {
      for (let left = count; left > 0; left -= BATCH) {
        const batch = Array.from({ length: Math.min(left, BATCH) }, () => small()[0]!);
        await store.append('checkpointed', batch);
      }
      taken.push((await timed(() => store.checkpoint()))[0]);
      floors.push(records(count) + tree(count));
    }
    const what = count === 1 ? '1 event' : `${whole(count)} events`;
    measured.set(`checkpoint() after ${what} more, not sealed`, [median(taken), median(floors)]);
  }

  const newest = await store.checkpoint();
  const sequenceOf = (i: number): number => 1 + ((i * STRIDE) % events);
  const ids: string[] = [];
  for (let i = 0; i < PROOFS; i++) ids.push((await store.get(sequenceOf(i)))!.id);
  // A path has as many hashes as the tree is high.
  const height = Math.ceil(Math.log2(newest.size));
  const hashes = median(bareTimes(PROOFS, () => void bareHashing(height, NODE_BYTES)));
  // Of a store that was just opened nothing is in memory.
  const opened = await openStore({ dir, readOnly: true });
  const firstProof = (await timed(() => opened.prove(ids[0]!)))[0];
  await opened.close();
  measured.set('prove(id), the first', [firstProof, hashes]);
  const proving = await times(PROOFS, async (i) => void (await store.prove(ids[i]!)));
  measured.set('prove(id), p50', [percentile(proving, 0.5), hashes]);
  measured.set('prove(id), p99', [percentile(proving), hashes]);
  const sizes = await times(PROOFS, async (i) => void (await store.proveConsistency(sequenceOf(i))));
  measured.set('proveConsistency(size), p50', [percentile(sizes, 0.5), hashes]);
  measured.set('proveConsistency(size), p99', [percentile(sizes), hashes]);

  const keys = newest.publicKey;
  const [proof, digest] = [await store.prove(ids[1]!), await store.digest(ids[1]!)];
  const verifying = await times(PROOFS, async () => void (await verifyProof(proof, { keys, digest })));
  measured.set('verifyProof, of an event, p50', [percentile(verifying, 0.5), hashes + verify]);
  const consistency = await store.proveConsistency(older.size);
  const comparing = await times(
    PROOFS,
    async () => void (await verifyProof(consistency, { keys, checkpoint: older.text })),
  );
  // Both checkpoints are verified, and the path leads to both roots.
  measured.set('verifyProof, of two checkpoints, p50', [percentile(comparing, 0.5), 2 * (hashes + verify)]);
  return measured;
}
