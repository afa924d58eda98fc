import path from 'node:path';
import { openStore } from 'keeperlog';
import { type ConsistencyProof, verifyCheckpoint, verifyProof } from 'keeperlog/proof';
import { describe, expect, test } from 'vitest';
import { emptyDir, parseLines, run } from './keeperlog.js';

/** A directory with a store of orders and one note. */
async function withOrders(): Promise<string> {
  const cwd = emptyDir();
  const store = await openStore(path.join(cwd, 'data'));
  const placed = await store.append('orders/1', {
    type: 'OrderPlaced',
    data: { total: 12n },
    tags: ['order:1', 'shop'],
    metadata: {
      agent: 'till',
      correlationId: 'c1',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    },
  });
  await store.append('orders/1', { type: 'OrderPaid', causes: [placed.ids[0]!] });
  await store.append('orders/2', { type: 'OrderPlaced', data: new Uint8Array([1, 2, 3]) });
  await store.append('notes', { type: 'NoteTaken', data: 'x' });
  await store.close();
  return cwd;
}

describe('streams', () => {
  test('are listed by name, with what they hold', async () => {
    const { code, stdout, stderr } = await run(await withOrders(), 'streams');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toBe(
      'notes  1 events, sequences 4 to 4\norders/1  2 events, sequences 1 to 2\norders/2  1 events, sequences 3 to 3\n',
    );
  });
  test('of a prefix, behind a name, and no more than asked for', async () => {
    const cwd = await withOrders();
    const named = async (...args: string[]): Promise<string[]> =>
      parseLines((await run(cwd, 'streams', '--json', ...args)).stdout).map(({ stream }) => stream);
    expect(await named('--prefix', 'orders/')).toEqual(['orders/1', 'orders/2']);
    expect(await named('--after', 'orders/1')).toEqual(['orders/2']);
    expect(await named('--limit', '1')).toEqual(['notes']);
  });
});

describe('query', () => {
  test('prints events, members of them, counts and extremes', async () => {
    const cwd = await withOrders();
    const query = async (...args: string[]) => {
      const { code, stdout, stderr } = await run(cwd, 'query', ...args);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      return stdout;
    };
    const placed = 'type == "OrderPlaced"';
    expect(await query(placed)).toMatch(/^1 \S+ orders\/1 OrderPlaced \[order:1 shop\] .*\n3 \S+ orders\/2 /);
    const rows = (...args: string[]) => query(...args).then(parseLines);
    expect((await rows(placed, '--json')).map(({ sequence }) => sequence)).toEqual([1, 3]);
    expect((await rows(placed, '--json', '--backwards', '--limit', '3')).map(({ sequence }) => sequence)).toEqual([
      3, 1,
    ]);
    expect(await rows('data.total >= 12', '--select', 'stream', '--select', 'data.total')).toEqual([
      { stream: 'orders/1', 'data.total': '12' },
    ]);
    expect(await rows('stream.startsWith("orders/")', '--count', '--max', 'sequence', '--group-by', 'stream')).toEqual([
      { group: { stream: 'orders/1' }, count: 2, max: { sequence: 2 } },
      { group: { stream: 'orders/2' }, count: 1, max: { sequence: 3 } },
    ]);
    expect(await query('false')).toBe('');
  });
  test('tells where the next page begins, and goes on there', async () => {
    const cwd = await withOrders();
    const found: number[] = [];
    let cursor: string[] = [];
    for (let pages = 0; pages < 3; pages++) {
      const more = ['--limit', '1', '--backwards', ...cursor];
      const { code, stdout, stderr } = await run(cwd, 'query', 'type == "OrderPlaced"', '--json', ...more);
      expect(code).toBe(0);
      found.push(...parseLines(stdout).map(({ sequence }) => sequence as number));
      if (stderr === '') break;
      const [told] = parseLines(stderr);
      expect(told).toEqual({ cursor: expect.stringMatching(/^[\w-]+$/) });
      cursor = ['--cursor', told.cursor as string];
    }
    expect(found).toEqual([3, 1]);
    const text = await run(cwd, 'query', 'type == "OrderPlaced"', '--limit', '1');
    const [, told] = /^more may follow: the same with --cursor (\S+)\n$/.exec(text.stderr)!;
    const rest = await run(cwd, 'query', 'type == "OrderPlaced"', '--cursor', told!, '--select', 'sequence');
    expect(rest).toMatchObject({ code: 0, stdout: '{"sequence":3}\n', stderr: '' });
    const other = await run(cwd, 'query', 'true', '--cursor', told!, '--json');
    expect(other.code).toBe(2);
    expect(parseLines(other.stderr)[0]).toMatchObject({ error: { code: 'ERR_INVALID_QUERY', path: 'cursor' } });
  });
  test('explains what it takes', async () => {
    const cwd = await withOrders();
    const { stdout } = await run(cwd, 'query', '"order:1" in tags', '--explain');
    expect(stdout).toMatch(/^where +"order:1" in tags\n/);
    expect(stdout).toMatch(/\nmatched +1\n/);
    const [explained] = parseLines((await run(cwd, 'query', 'type == "x"', '--explain', '--json')).stdout);
    expect(explained).toMatchObject({ where: 'type == "x"', recordsMatched: 0, segmentsConsidered: 1 });
  });
  test('is refused with the place of what is wrong', async () => {
    const { code, stderr } = await run(await withOrders(), 'query', 'type = "x"', '--json');
    expect(code).toBe(2);
    expect(parseLines(stderr)[0]).toMatchObject({
      error: { code: 'ERR_INVALID_QUERY', next: 'keeperlog query --help', path: expect.stringMatching(/^query/) },
    });
  });
});

describe('prove', () => {
  test('signs a checkpoint, and proves an event to who has the key', async () => {
    const cwd = await withOrders();
    const [checkpoint] = parseLines((await run(cwd, 'prove', '--json')).stdout);
    expect(checkpoint).toMatchObject({ size: 4 });
    const [{ sequence, digest, proof }] = parseLines((await run(cwd, 'prove', '2', '--json')).stdout);
    expect(sequence).toBe(2);
    const keys: string = checkpoint.publicKey;
    expect(await verifyProof(proof as string, { keys, digest })).toMatchObject({
      sequence: 2,
      checkpoint: { size: 4 },
    });
    const text = await run(cwd, 'prove', '2');
    expect({ code: text.code, stdout: text.stdout }).toEqual({ code: 0, stdout: proof });
    expect(text.stderr).toContain(digest);
  });
  test('signs a new one where the newest does not cover the event', async () => {
    const cwd = await withOrders();
    await run(cwd, 'prove');
    await run(cwd, 'append', 'a', 'B');
    const [{ proof }] = parseLines((await run(cwd, 'prove', '5', '--json')).stdout);
    expect(proof).toContain('\n5\n'); // the size of the checkpoint
  });
  test('of an event that is not there is refused', async () => {
    const { code, stderr } = await run(await withOrders(), 'prove', '5', '--json');
    expect(code).toBe(1);
    expect(parseLines(stderr)[0].error.message).toContain('there is no event 5');
  });
});

describe('prove --consistency', () => {
  test('shows who has kept a checkpoint that the next one continues it', async () => {
    const cwd = await withOrders();
    const [older] = parseLines((await run(cwd, 'prove', '--json')).stdout);
    await run(cwd, 'append', 'a', 'B');
    await run(cwd, 'prove');
    const { code, stdout } = await run(cwd, 'prove', '--consistency', '4');
    expect(code).toBe(0);
    const proof: ConsistencyProof = JSON.parse(stdout);
    const known = { keys: older.publicKey, checkpoint: older.text };
    expect(await verifyProof(proof, known)).toMatchObject({ older: { size: 4 }, newer: { size: 5 } });
    expect((await run(cwd, 'prove', '--consistency', '4', '--json')).stdout).toBe(stdout);
  });
  test('signs where nothing was yet, and is not for what is not there, nor beside an event', async () => {
    const cwd = await withOrders();
    const [proof] = parseLines((await run(cwd, 'prove', '--consistency', '2', '--json')).stdout);
    expect(proof).toMatchObject({ kind: 'consistency', size: 2 });
    expect((await run(cwd, 'prove', '--consistency', '9')).code).toBe(1);
    expect((await run(cwd, 'prove', '--consistency', 'x')).code).toBe(2);
    expect((await run(cwd, 'prove', '1', '--consistency', '2')).code).toBe(2);
  });
});

describe('rotate-key', () => {
  test('has the old key vouch for the new one, which signs from then on', async () => {
    const cwd = await withOrders();
    const [older] = parseLines((await run(cwd, 'prove', '--json')).stdout);
    const [rotated] = parseLines((await run(cwd, 'rotate-key', '--json')).stdout);
    expect(rotated.publicKey).not.toBe(older.publicKey);
    for (const key of [older.publicKey, rotated.publicKey]) {
      expect(await verifyCheckpoint(rotated.text, key)).toMatchObject({ size: 4 });
    }
    await run(cwd, 'append', 'a', 'B');
    expect(parseLines((await run(cwd, 'prove', '--json')).stdout)).toMatchObject([{ publicKey: rotated.publicKey }]);
    const text = await run(cwd, 'rotate-key');
    expect(text.stdout).toMatch(/^keeperlog\/[0-9a-f]{32}\n5\n/);
    expect(text.stderr).toContain('from now on signed by ');
  });
});

describe('stats', () => {
  test('count events by type, and streams by events', async () => {
    const { code, stdout } = await run(await withOrders(), 'stats', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      events: 4,
      streams: 3,
      segments: 1,
      types: [
        { name: 'OrderPlaced', events: 2 },
        { name: 'NoteTaken', events: 1 },
        { name: 'OrderPaid', events: 1 },
      ],
      largestStreams: [
        { name: 'orders/1', events: 2 },
        { name: 'notes', events: 1 },
        { name: 'orders/2', events: 1 },
      ],
    });
  });
  test('name no more than asked for', async () => {
    const { stdout } = await run(await withOrders(), 'stats', '--top', '1');
    expect(stdout).toContain('OrderPlaced');
    expect(stdout).not.toContain('NoteTaken');
  });
  test('of an empty store are zeros', async () => {
    const cwd = emptyDir();
    await (await openStore(path.join(cwd, 'data'))).close();
    const { code, stdout } = await run(cwd, 'stats', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ events: 0, streams: 0, firstTime: null, types: [] });
  });
});

describe('export', () => {
  test('prints what get prints, and counts on stderr', async () => {
    const cwd = await withOrders();
    const { code, stdout, stderr } = await run(cwd, 'export', '--stream', 'orders/*', '--from', '2');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '2 events exported\n' });
    const [first, second] = parseLines(stdout);
    expect(first).toEqual(JSON.parse((await run(cwd, 'get', '2')).stdout));
    expect(second).toMatchObject({ sequence: 3, data: 'AQID' });
  });
  test('makes CloudEvents with core attributes and extensions of lower case', async () => {
    const cwd = await withOrders();
    const { storeId } = JSON.parse((await run(cwd, 'info', '--json')).stdout);
    const [placed, paid, bytes] = parseLines((await run(cwd, 'export', '--format', 'cloudevents')).stdout);
    expect(placed).toEqual({
      specversion: '1.0',
      id: expect.stringMatching(/^\d{19}_1_/),
      source: `urn:keeperlog:${storeId}`,
      type: 'OrderPlaced',
      subject: 'orders/1',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      sequence: '0000000000000001',
      revision: '0',
      schemaversion: 1,
      tags: 'order:1 shop',
      agent: 'till',
      correlationid: 'c1',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      datacontenttype: 'application/json',
      data: { total: '12' },
    });
    expect(paid).toMatchObject({ causes: placed.id, data: null });
    expect(bytes).toMatchObject({ datacontenttype: 'application/octet-stream', data_base64: 'AQID' });
    expect(bytes).not.toHaveProperty('data');
    for (const event of [placed, paid, bytes]) {
      for (const name of Object.keys(event)) expect(name).toMatch(/^([a-z0-9]+|data_base64)$/);
    }
  });
  test('refuses a format that it does not have, as usage', async () => {
    const { code, stderr } = await run(await withOrders(), 'export', '--format', 'xml');
    expect(code).toBe(2);
    expect(stderr).toContain('jsonl, cloudevents');
  });
});
