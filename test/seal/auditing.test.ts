import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { openStore, type Store } from 'keeperlog';
import { verifyCheckpoint, verifyProof } from 'keeperlog/proof';
import { describe, expect, it } from 'vitest';
import { logLines } from '../retention/kit.js';
import { copyDir, open, reopen } from '../support/stores.js';

/** Some segments of a MiB. */
async function fill(store: Store, events = 6000): Promise<void> {
  const text = 'what an agent has to say about its work, '.repeat(6);
  for (let i = 0; i < events; i += 500) {
    await store.append(
      `agent-${(i / 500) % 4}`,
      Array.from({ length: 500 }, (_, k) => ({ type: 'Said', data: { n: i + k, text } })),
    );
  }
}

/** The root over digests, as RFC 9162 (2.1.1) has it, word by word. */
function rootOf(digests: readonly Buffer[]): Buffer {
  const hash = (...parts: Buffer[]): Buffer => createHash('sha256').update(Buffer.concat(parts)).digest();
  if (digests.length === 0) return hash();
  if (digests.length === 1) return hash(Buffer.of(0), digests[0]!);
  let left = 1;
  while (left * 2 < digests.length) left *= 2;
  return hash(Buffer.of(1), rootOf(digests.slice(0, left)), rootOf(digests.slice(left)));
}

/** The SHA-256 of each record of the segments, found by their lengths alone (docs/format.md). */
function digestsIn(dir: string): Buffer[] {
  const digests: Buffer[] = [];
  for (const file of fs
    .readdirSync(dir)
    .filter((name) => name.endsWith('.log'))
    .sort()) {
    const bytes = fs.readFileSync(path.join(dir, file));
    for (let at = 128; at + 64 <= bytes.length && bytes.readUInt32LE(at) === 0x72664c4b; ) {
      const end = at + 64 + bytes.readUInt32LE(at + 8);
      for (at += 64; at < end; at += bytes.readUInt32LE(at)) {
        digests.push(
          createHash('sha256')
            .update(bytes.subarray(at, at + bytes.readUInt32LE(at)))
            .digest(),
        );
      }
    }
  }
  return digests;
}

describe('checkpoint()', () => {
  it('signs the root over the digests of all durable events', async () => {
    const store = await open();
    await fill(store);
    const checkpoint = await store.checkpoint();
    const { dir, storeId, durable } = store.stats();
    expect(checkpoint.size).toBe(durable);
    expect(checkpoint.root).toBe(rootOf(digestsIn(dir)).toString('base64'));
    expect(await verifyCheckpoint(checkpoint.text, [checkpoint.publicKey])).toMatchObject({
      origin: `keeperlog/${storeId}`,
      size: durable,
    });
    expect(await store.checkpoint()).toEqual(checkpoint);
    expect(fs.statSync(path.join(dir, 'keeperlog.key')).mode & 0o777).toBe(0o600);
  });

  it('is the same whether segments are sealed or not, before and after the store was opened again', async () => {
    const store = await open();
    await fill(store);
    const raw = digestsIn(store.stats().dir);
    await store.seal();
    const first = await store.checkpoint();
    expect(first.root).toBe(rootOf(raw).toString('base64'));
    const again = await reopen(store);
    expect(await again.checkpoint()).toEqual(first);
    await fill(again, 3000);
    const second = await again.checkpoint();
    expect(second.size).toBe(9000);
    const proof = await again.proveConsistency(first.size);
    const trusted = { keys: [first.publicKey], checkpoint: first.text };
    expect(await verifyProof(proof, trusted)).toMatchObject({ newer: { size: 9000 } });
  });

  it('covers an empty store, and what many ask for at once', async () => {
    const store = await open();
    expect(await store.checkpoint()).toMatchObject({ size: 0, root: rootOf([]).toString('base64') });
    await store.append('a', { type: 'Said' });
    const all = await Promise.all([store.checkpoint(), store.checkpoint(), store.prove(1)]);
    expect(all.map((one) => ('size' in one ? one.size : one.sequence))).toEqual([1, 1, 1]);
  });

  it('says so where events that were signed are not in the log any more', async () => {
    const store = await open();
    await fill(store, 500);
    const earlier = copyDir(store.stats().dir);
    await store.append('a', { type: 'Said' });
    await store.checkpoint();
    const { dir } = store.stats();
    for (const name of ['keeperlog.tree', 'tile']) {
      fs.cpSync(path.join(dir, name), path.join(earlier, name), { recursive: true });
    }
    const older = await open({ dir: earlier });
    await expect(older.checkpoint()).rejects.toMatchObject({
      code: 'ERR_CORRUPT',
      file: path.join(earlier, 'keeperlog.tree'),
      firstSequence: 501,
      lastSequence: 501,
    });
  });

  it('is signed by a key that others may read, and says so once', async () => {
    const { logger, lines } = logLines();
    const store = await open({ logger });
    const file = path.join(store.stats().dir, 'keeperlog.key');
    const told = (): unknown[] => lines.filter(({ message }) => message.startsWith('others may read the key'));
    const { publicKey } = await store.checkpoint();
    await store.append('a', { type: 'Said' });
    await store.checkpoint();
    expect(told()).toEqual([]);
    fs.chmodSync(file, 0o640);
    const again = await reopen(store, { logger });
    expect(await again.checkpoint()).toMatchObject({ publicKey });
    await again.append('a', { type: 'Said' });
    await again.checkpoint();
    expect(told()).toMatchObject([{ level: 'warn', fields: { file } }]);
    expect(fs.statSync(file).mode & 0o777).toBe(0o640);
  });

  it('finds a tile that was changed after it was signed', async () => {
    const store = await open();
    await fill(store, 500);
    await store.checkpoint();
    const { dir } = store.stats();
    await store.close();
    const tile = path.join(dir, 'tile', '0', '000');
    const bytes = fs.readFileSync(tile);
    bytes[40] = bytes[40]! ^ 1;
    fs.writeFileSync(tile, bytes);
    const again = await open({ dir });
    await expect(again.prove(2)).rejects.toMatchObject({ code: 'ERR_CORRUPT', file: tile });
  });
});

describe('prove()', () => {
  it('gives a proof that is verified without the store, of this event alone', async () => {
    const store = await open();
    await fill(store, 1500);
    const digests = digestsIn(store.stats().dir);
    const { publicKey } = await store.checkpoint();
    for (const sequence of [1, 2, 256, 257, 1000, 1500]) {
      const event = await store.get(sequence);
      const proof = await store.prove(event!.id);
      const digest = digests[sequence - 1]!;
      expect(await verifyProof(proof, { keys: [publicKey], digest })).toMatchObject({ sequence });
      const other = digests[sequence % 1500]!;
      await expect(verifyProof(proof, { keys: [publicKey], digest: other })).rejects.toMatchObject({
        code: 'ERR_UNVERIFIED',
        reason: 'root',
      });
    }
    await store.append('a', { type: 'Said' });
    expect(JSON.stringify(await store.prove(1501))).toContain('1501');
    await expect(store.prove(1502)).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
    await expect(store.proveConsistency(-1)).rejects.toMatchObject({ code: 'ERR_INVALID_QUERY', path: 'size' });
  });

  it('goes on with a new key, and proves by what the old one has signed', async () => {
    const store = await open();
    await fill(store, 500);
    const old = await store.checkpoint();
    const both = await store.rotateKey();
    expect(both.publicKey).not.toBe(old.publicKey);
    for (const key of [old.publicKey, both.publicKey]) {
      expect(await verifyCheckpoint(both.text, [key])).toMatchObject({ size: 500 });
    }
    await store.append('a', { type: 'Said' });
    const next = await store.checkpoint();
    await expect(verifyCheckpoint(next.text, [old.publicKey])).rejects.toMatchObject({ code: 'ERR_UNVERIFIED' });
    expect(await verifyCheckpoint(next.text, [both.publicKey])).toMatchObject({ size: 501 });
  });

  it('works for a reader as far as a writer has signed', async () => {
    const store = await open();
    await fill(store, 500);
    const { publicKey } = await store.checkpoint();
    await store.append('a', { type: 'Said' });
    const reader = await openStore({ dir: store.stats().dir, readOnly: true });
    const [digest] = digestsIn(store.stats().dir);
    expect(await verifyProof(await reader.prove(1), { keys: [publicKey], digest: digest! })).toMatchObject({
      sequence: 1,
    });
    await expect(reader.prove(501)).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
    await expect(reader.checkpoint()).rejects.toMatchObject({ code: 'ERR_INVALID_OPTIONS', path: 'readOnly' });
    await reader.close();
  });

  it('is of the newest checkpoint, whoever has signed that, in a store that stays open', async () => {
    const store = await open();
    await fill(store, 500);
    const first = await store.checkpoint();
    const reader = await open({ dir: store.stats().dir, readOnly: true });
    for (const one of [store, reader]) expect(await one.prove(1)).toMatchObject({ checkpoint: first.text });
    await store.append('a', { type: 'Said' });
    const second = await store.checkpoint();
    for (const one of [store, reader]) {
      expect(await one.prove(1)).toMatchObject({ checkpoint: second.text });
      const proof = await one.proveConsistency(500);
      expect(proof.checkpoint).toBe(second.text);
      const trusted = { keys: [first.publicKey], checkpoint: first.text };
      expect(await verifyProof(proof, trusted)).toMatchObject({ newer: { size: 501 } });
    }
  });

  it('is signed by the new key after a rotation', async () => {
    const store = await open();
    await fill(store, 500);
    const reader = await open({ dir: store.stats().dir, readOnly: true });
    await store.checkpoint();
    for (const one of [store, reader]) expect(await one.prove(1)).toMatchObject({ sequence: 1 });
    const rotated = await store.rotateKey();
    const digest = await store.digest(1);
    for (const one of [store, reader]) {
      const proof = await one.prove(1);
      expect(await verifyProof(proof, { keys: [rotated.publicKey], digest })).toMatchObject({ sequence: 1 });
    }
  });
});
