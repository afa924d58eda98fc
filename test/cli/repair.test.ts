/** `keeperlog repair`, on a store whose disk has rotted. */
import fs from 'node:fs';
import path from 'node:path';
import { openStore, repairStore } from 'keeperlog';
import { describe, expect, test } from 'vitest';
import { emptyDir, run } from './keeperlog.js';

/** A store of five events, the third of which does not verify any more. */
async function rotten(): Promise<{ cwd: string; dir: string }> {
  const cwd = emptyDir();
  const dir = path.join(cwd, 'data');
  const store = await openStore(dir);
  for (let i = 1; i <= 5; i++) await store.append('a', { type: 'Said', data: `word ${i}` });
  await store.close();
  const file = path.join(dir, 'segment-0000000001.log');
  const bytes = fs.readFileSync(file);
  bytes[bytes.indexOf('word 3')]! ^= 1;
  fs.writeFileSync(file, bytes);
  return { cwd, dir };
}

describe('keeperlog repair', () => {
  test('says that there is nothing to do', async () => {
    const cwd = emptyDir();
    await run(cwd, 'append', 'a', 'B');
    expect(await run(cwd, 'repair')).toMatchObject({ code: 0, stdout: 'nothing to repair: 1 segment\n', stderr: '' });
  });

  test('is what verify leads to: it says first what would be lost, then does it, and the store goes on', async () => {
    const { cwd, dir } = await rotten();
    const found = await run(cwd, 'verify');
    expect(found.code).toBe(5);
    expect(found.stderr).toContain('try: keeperlog repair --dry-run');

    const planned = await run(cwd, 'repair', '--dry-run');
    expect(planned.code).toBe(5);
    expect(planned.stdout).toMatch(/^damaged: 1 segment\nwould be written anew: .*\nwould be given up: sequence 3\n$/);
    expect(planned.stderr).toContain('try: keeperlog repair\n');

    const done = await run(cwd, 'repair', '--json');
    expect(done.code).toBe(5);
    expect(JSON.parse(done.stdout)).toMatchObject({ repaired: true, lost: [{ firstSequence: 3, lastSequence: 3 }] });
    const [kept] = JSON.parse(done.stdout).kept as [string];
    expect(fs.existsSync(path.join(cwd, kept))).toBe(true);

    const verified = await run(cwd, 'verify', '--deep');
    expect(verified).toMatchObject({ code: 0 });
    expect(verified.stdout).toContain('a repair gave up sequence 3');
    expect((await run(cwd, 'append', 'a', 'After')).code).toBe(0);
    expect(
      (await run(cwd, 'read')).stdout
        .split('\n')
        .filter(Boolean)
        .map((line) => line.split(' ')[0]),
    ).toEqual(['1', '2', '4', '5', '6']);
    expect((await run(cwd, 'info')).stdout).toMatch(/^lost +sequence 3, given up by a repair$/m);
    expect((await run(cwd, 'get', '3')).code).toBe(5);
    expect(fs.readdirSync(dir).some((name) => name.endsWith('.damaged'))).toBe(true);
  });

  test('mends the tile that prove and verify have named', async () => {
    const cwd = emptyDir();
    const dir = path.join(cwd, 'data');
    const store = await openStore(dir);
    for (let i = 0; i < 3; i++) {
      await store.append(
        'a',
        Array.from({ length: 100 }, (_, n) => ({ type: 'Said', data: n })),
      );
    }
    await store.checkpoint();
    await store.close();
    const tile = path.join(dir, 'tile', '0', '000');
    const whole = fs.readFileSync(tile);
    fs.writeFileSync(
      tile,
      whole.map((byte, i) => (i === 100 ? byte ^ 1 : byte)),
    );

    const proved = await run(cwd, 'prove', '2');
    expect(proved).toMatchObject({ code: 5, stdout: '' });
    expect(proved.stderr).toContain('try: keeperlog verify --deep');
    const found = await run(cwd, 'verify', '--deep');
    expect(found.code).toBe(5);
    expect(found.stdout).toContain(`ERR_CORRUPT ${path.join('data', 'tile', '0', '000')}: the tile does not verify`);
    expect(found.stderr).toContain('try: keeperlog repair --dry-run');
    expect((await run(cwd, 'repair', '--dry-run')).stdout).toMatch(
      /^damaged: 1 segment\nwould be written anew: .*000\n$/,
    );
    expect(await run(cwd, 'repair')).toMatchObject({ code: 0, stderr: '' });
    expect(fs.readFileSync(tile)).toEqual(whole);
    expect(await run(cwd, 'verify', '--deep')).toMatchObject({ code: 0, stderr: '' });
    expect((await run(cwd, 'prove', '2')).code).toBe(0);
  });

  test('is not what verify leads to where an index or the key alone is damaged', async () => {
    const cwd = emptyDir();
    const dir = path.join(cwd, 'data');
    const store = await openStore({ dir, segmentBytes: 65_536 });
    for (let i = 0; i < 5; i++) await store.append('a', { type: 'Said', data: 'x'.repeat(30_000) });
    await store.seal();
    await store.checkpoint();
    await store.close();
    const turn = (name: string): void => {
      const file = path.join(dir, name);
      fs.writeFileSync(
        file,
        fs.readFileSync(file).map((byte, i) => (i === 60 ? byte ^ 1 : byte)),
      );
    };
    const index = 'segment-0000000001.index';
    turn(index);
    const found = await run(cwd, 'verify');
    expect(found.code).toBe(5);
    expect(found.stdout).toContain(`ERR_CORRUPT ${path.join('data', index)}: the index does not verify`);
    expect(found.stderr).toContain('the log verifies, and nothing is lost');
    expect(found.stderr).toContain('try: keeperlog seal\n');
    fs.rmSync(path.join(dir, index));
    expect((await run(cwd, 'seal')).code).toBe(0);
    expect(fs.existsSync(path.join(dir, index))).toBe(true);
    expect((await run(cwd, 'verify', '--deep')).code).toBe(0);

    turn('keeperlog.key');
    // What is not signed yet.
    expect((await run(cwd, 'append', 'a', 'Said')).code).toBe(0);
    expect((await run(cwd, 'prove', '6')).stderr).toContain('try: keeperlog verify --deep');
    expect((await run(cwd, 'verify')).code).toBe(0);
    const deep = await run(cwd, 'verify', '--deep');
    expect(deep.code).toBe(5);
    expect(deep.stdout).toContain(`ERR_CORRUPT ${path.join('data', 'keeperlog.key')} at 0: the keys that sign`);
    expect(deep.stderr).toContain('the log verifies');
    fs.rmSync(path.join(dir, 'keeperlog.key'));
    expect((await run(cwd, 'prove', '6')).code).toBe(0);
    expect((await run(cwd, 'verify', '--deep')).code).toBe(0);
  });

  test('asks for the node id where the manifest is lost', async () => {
    const { cwd, dir } = await rotten();
    fs.rmSync(path.join(dir, 'keeperlog.manifest'));
    const asked = await run(cwd, 'repair');
    expect(asked.code).toBe(2);
    expect(asked.stderr).toContain('nodeId must be given');
    expect((await run(cwd, 'repair', '--node-id', 'b75278d71506')).code).toBe(5);
    expect((await run(cwd, 'verify')).code).toBe(0);
  });
});

describe('a store that is open', () => {
  test('for writing refuses to be repaired, by itself and by others', async () => {
    const { dir } = await rotten();
    await repairStore(dir);
    await using store = await openStore(dir);
    await expect(store.repair()).rejects.toMatchObject({ code: 'ERR_INVALID_OPTIONS', path: 'readOnly' });
    await expect(repairStore(dir)).rejects.toMatchObject({ code: 'ERR_LOCKED' });
  });

  test('for reading shows the repaired log afterwards', async () => {
    const { dir } = await rotten();
    await using store = await openStore({ dir, readOnly: true });
    await expect(store.read().toArray()).rejects.toMatchObject({ code: 'ERR_CORRUPT', firstSequence: 3 });
    expect(await store.repair()).toMatchObject({ repaired: true });
    const rows = store.read();
    expect((await rows.toArray()).map(({ sequence }) => sequence)).toEqual([1, 2, 4, 5]);
    expect(rows.holes).toEqual([{ firstSequence: 3, lastSequence: 3 }]);
    expect(store.stats().holes).toEqual(rows.holes);
  });
});
