/** A store of a few small segments, and everything that can be asked of it through an index. */
import type { NewEvent, RecordedEvent, Store, Where } from '../../dist/main/index.js';
import { EMPTY_DISK, type Image } from '../crash/image.js';
import { MemoryDisk } from '../crash/memory-disk.js';
import { open } from '../repair/kit.js';

export const EVENTS = 2000;
const NAMES = ['ada', 'bob', 'eve'];

/** The so-manieth event; some name those before as causes. */
export function event(i: number, ids: readonly string[]): NewEvent {
  const before = ids[ids.length - 20];
  const causes = before !== undefined ? [before, ...(i % 5 === 4 ? [0] : []), ...(i % 50 === 0 ? ['none'] : [])] : [];
  return {
    type: i % 3 === 0 ? 'Said' : 'Done',
    data: { n: i, text: 'what was said '.repeat(2) },
    tags: [`task:${i % 40}`, ...(i % 300 === 7 ? ['rare', 'ü'] : [])],
    causes,
    metadata: {
      ...(i % 4 > 0 && { agent: NAMES[i % 3] }),
      session: `session-${Math.floor(i / 25)}`,
      ...(i % 2 === 0 && { correlationId: `order ${i % 600}` }),
    },
  };
}

/** A disk with a store in which nothing is yet. */
export async function emptyStore(): Promise<Image> {
  const disk = new MemoryDisk(EMPTY_DISK);
  await (await open(disk)).close();
  return disk.image();
}

/**
 * A disk with the store, closed, none of it sealed.
 * @param from the same store before
 * @param skip its events are other ones
 */
export async function rawStore(from: Image, skip = 0): Promise<Image> {
  const disk = new MemoryDisk(from);
  const store = await open(disk);
  const ids: string[] = [];
  for (let i = 0; i < EVENTS; i += 5) {
    const events = Array.from({ length: 5 }, (_, k) => event(i + k + skip, ids));
    ids.push(...(await store.append(`agent/${Math.floor(i / 5) % 7}`, events)).ids);
  }
  await store.close();
  return disk.image();
}

const WHERES: readonly Where[] = [
  { stream: { eq: 'agent/3' } },
  { stream: { prefix: 'agent/' }, type: { eq: 'Said' } },
  { tags: { eq: 'rare' } },
  { tags: { in: ['task:3', 'task:39', 'none'] } },
  { agent: { eq: 'bob' }, session: { prefix: 'session-1' } },
  { correlationId: { eq: 'order 598' } },
  { causes: { eq: 'none' } },
  { correlationId: { eq: 'order 599' } },
  { or: [{ tags: { eq: 'task:11' } }, { type: { prefix: 'S' }, 'data.n': { gt: 900 } }] },
];

/** What a store answers: the same, whatever it is read by. */
export async function answers(store: Store): Promise<string[]> {
  const text = (rows: readonly unknown[]): string => JSON.stringify(rows);
  const of = (rows: readonly RecordedEvent[]): string => text(rows.map(({ sequence }) => sequence));
  const found: string[] = [];
  for (const [i, where] of WHERES.entries()) {
    const direction = i % 2 === 0 ? 'forwards' : 'backwards';
    found.push(of(await store.query({ where, direction, limit: 400 }).toArray()));
  }
  for (const groupBy of ['stream', 'session', 'agent', 'correlationId'] as const) {
    const aggregate = { count: true, min: 'sequence', max: 'sequence' } as const;
    found.push(text(await store.query({ aggregate, groupBy }).toArray()));
  }
  found.push(text(await store.query({ where: { tags: { eq: 'rare' } }, aggregate: { count: true } }).toArray()));
  const event = await store.get(500);
  const cause = await store.get(480);
  found.push(text([event?.id === undefined ? null : await store.get(event.id), await store.digest(3)]));
  found.push(of(await store.query({ where: { causes: { eq: cause!.id } } }).toArray()));
  found.push(of(await store.read({ streams: 'agent/*', tags: ['task:7', 'rare'] }).toArray()));
  found.push(of(await store.read([{ agent: 'ada', types: 'D*' }, { session: 'session-3' }], { limit: 60 }).toArray()));
  found.push(of(await store.read({ correlationId: ['order 2', 'order 4'] }, { direction: 'backwards' }).toArray()));
  found.push(of(await store.readStream('agent/5', { fromRevision: 40, limit: 11 }).toArray()));
  found.push(text(await store.streams({ prefix: 'agent/' }).toArray()));
  found.push(text([await store.head('agent/6'), await store.head()]));
  return found;
}
