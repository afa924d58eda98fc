import path from 'node:path';
import { openStore } from 'keeperlog';
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
