import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { openStore } from '../../dist/main/index.js';
import { fingerprint, opened, Program, temporaryDir } from './kit.js';
import { flip } from './layout.js';

const SECONDS = 20;

describe('a read-only opener beside a live writer', () => {
  it('sees every acknowledged event, in order, across rotations, and never a part of a batch', async () => {
    const dir = temporaryDir();
    const program = new Program();
    await program.call('open', { dir, segmentBytes: 65536 });
    await program.call('append', { stream: 'a', events: { type: 'first' } });
    const store = await opened({ dir, readOnly: true });
    const loading = program.call('load', { run: 'beside', calls: 150, agents: 8 });
    let finished = false;
    const finish = (): void => {
      finished = true;
    };
    loading.then(finish, finish);
    let last = 0;
    const seen = new Set<string>();
    const sizes = new Map<string, [found: number, size: number]>();
    for (const deadline = Date.now() + SECONDS * 1000; Date.now() < deadline; ) {
      const wasFinished = finished;
      const events = await store.read({}, { after: last }).toArray();
      for (const { sequence, id, data } of events) {
        if (sequence !== last + 1) expect(sequence).toBe(last + 1);
        last = sequence;
        seen.add(id);
        if (data?.call !== undefined) sizes.set(data.call, [(sizes.get(data.call)?.[0] ?? 0) + 1, data.size]);
      }
      // A read ends at a group commit, which holds whole calls.
      for (const [call, [found, size]] of sizes) if (found !== size) expect.fail(`${call}: ${found} of ${size}`);
      sizes.clear();
      if (wasFinished && program.acks.every(({ ids }) => ids.every((id) => seen.has(id)))) break;
      await new Promise(setImmediate);
    }
    await loading;
    for (const { ids } of program.acks) for (const id of ids) if (!seen.has(id)) expect.fail(`${id} was not seen`);
    expect(store.stats().segments).toBeGreaterThan(3);
  });

  it('can open at any moment, also of a rotation', async () => {
    const dir = temporaryDir();
    const program = new Program();
    await program.call('open', { dir, segmentBytes: 65536 });
    await program.call('append', { stream: 'a', events: { type: 'first' } });
    const loading = program.call('load', { run: 'beside', calls: 250, agents: 8, padBytes: 3000 });
    let finished = false;
    const finish = (): void => {
      finished = true;
    };
    loading.then(finish, finish);
    let opens = 0;
    let before = 0;
    while (!finished) {
      const acknowledged = program.acks.length;
      const store = await openStore({ dir, readOnly: true });
      const head = await store.head();
      expect(head!.sequence).toBeGreaterThanOrEqual(before);
      const newest = await store.read({}, { direction: 'backwards', limit: 20 }).toArray();
      expect(newest[0]!.sequence).toBeGreaterThanOrEqual(head!.sequence);
      before = head!.sequence;
      const known = program.acks[acknowledged - 1]?.ids[0];
      // The watermark is written right behind the acknowledgement.
      while (known !== undefined && (await store.get(known)) === undefined) await new Promise(setImmediate);
      await store.close();
      opens++;
    }
    await loading;
    expect(opens).toBeGreaterThan(5);
  });

  it('does not write a byte', async () => {
    const dir = temporaryDir();
    const writer = await opened({ dir, segmentBytes: 65536 });
    await writer.append('a', { type: 'first' });
    await writer.close();
    const before = fingerprint(dir);
    const store = await openStore({ dir, readOnly: true });
    await store.read().toArray();
    await store.verify({ deep: true });
    await store.close();
    expect(fingerprint(dir)).toEqual(before);
  });

  it('goes by the other slot where one of the watermark is torn, and by the next where both are', async () => {
    const dir = temporaryDir();
    const writer = await opened({ dir, segmentBytes: 65536 });
    await writer.append('a', { type: 'first' });
    const store = await opened({ dir, readOnly: true });
    for (let n = 2; n < 6; n++) {
      await writer.append('a', { type: 'next' });
      // The writer fills its slot right behind the acknowledgement: it is not to be overwritten here.
      while ((await store.head())?.sequence !== n) await new Promise(setImmediate);
      const file = path.join(dir, 'keeperlog.watermark');
      const whole = fs.readFileSync(file);
      flip(file, 8);
      flip(file, 520);
      expect((await store.read().toArray()).length).toBeLessThanOrEqual(n);
      fs.writeFileSync(file, whole);
      flip(file, n % 2 === 0 ? 8 : 520);
      const torn = await store.read().toArray();
      expect(torn.length).toBeGreaterThanOrEqual(n - 1);
      fs.writeFileSync(file, whole);
    }
    expect(await store.read().toArray()).toHaveLength(5);
  });
});
