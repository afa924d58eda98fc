/** Stores before something is derived of their log: a sealed segment, an index, a checkpoint of heads. */
import fs from 'node:fs';
import path from 'node:path';
import { openStore, type RecordedEvent, type Store } from '../../dist/main/index.js';

/** Some hundred events a segment, which are sealed when that is asked for. */
export const SMALL = { segmentBytes: 65_536, sealing: 'on-demand', poolThreads: 1 } as const;

/** What a query asks for, which an index answers. */
export const ODD = { tags: { eq: 'odd' } } as const;
/** Its results are in the log once. */
export const KEYED = {
  stream: 'keyed',
  events: [{ type: 'Once', data: 1, idempotencyKey: 'first' }, { type: 'Once' }],
};
/** Nobody appends to it, but for who expects it to be as it was. */
export const COLD = { stream: 'cold', revision: 2 } as const;
/** More heads than a block of their table has. */
const STREAMS = 200;
/** More than a tile of the audit tree has, as soon as everything is signed; and fewer before. */
const SIGNED_EARLY = 150;

/** A store, and what must be true of it whatever happens. */
export interface Base {
  readonly dir: string;
  readonly rows: readonly RecordedEvent[];
  /** By sequence. */
  readonly digests: ReadonlyMap<number, string>;
  /** An early one. */
  readonly checkpoint: { readonly size: number; readonly text: string };
  /** Names of index files that do not verify. */
  readonly damaged: readonly string[];
}

/** Three full segments and a part of one; the beginning is signed, and heads are in a checkpoint. Nothing is sealed. */
export function fullBase(dir: string): Promise<Base> {
  return makeBase(dir, (store) => fillTo(store, 4));
}

/** The same, sealed; of the three index files one is missing, one does not verify, and one is of another history of the segment. */
export async function indexesBase(dir: string): Promise<Base> {
  const twin = `${dir}.twin`;
  const stale = path.join(twin, indexOf(3));
  const base = await makeBase(dir, async (store) => {
    await fillTo(store, 3);
    await store.close();
    fs.cpSync(dir, twin, { recursive: true });
    const others = await openStore({ ...SMALL, dir: twin });
    await fillTo(others, 4, 'others');
    await others.seal();
    await others.close();
    const own = await openStore({ ...SMALL, dir });
    await fillTo(own, 4);
    await own.seal();
    return own;
  });
  fs.rmSync(path.join(dir, indexOf(1)));
  const bytes = fs.readFileSync(path.join(dir, indexOf(2)));
  bytes[100]! ^= 1;
  fs.writeFileSync(path.join(dir, indexOf(2)), bytes);
  fs.copyFileSync(stale, path.join(dir, indexOf(3)));
  return { ...base, damaged: [indexOf(2), indexOf(3)] };
}

function indexOf(number: number): string {
  return `${segmentName(number)}.index`;
}

export function segmentName(number: number): string {
  return `segment-${String(number).padStart(10, '0')}`;
}

/** @param fill returns the store that it has in the end */
async function makeBase(dir: string, fill: (store: Store) => Promise<Store>): Promise<Base> {
  const first = await openStore({ ...SMALL, dir });
  await first.append(KEYED.stream, KEYED.events);
  for (let i = 0; i <= COLD.revision; i++) await first.append(COLD.stream, { type: 'Old' });
  while (first.stats().durable < SIGNED_EARLY) await append(first, '');
  const checkpoint = await first.checkpoint();
  const store = await fill(first);
  const rows = (await store.read().toArray()) as RecordedEvent[];
  const some = rows.filter((_, i) => i % 29 === 0);
  const digests = new Map<number, string>();
  for (const { sequence } of some) digests.set(sequence, await store.digest(sequence));
  await store.close();
  return { dir, rows, digests, checkpoint, damaged: [] };
}

/** Until the log is in so many segments. */
async function fillTo(store: Store, segments: number, text = ''): Promise<Store> {
  while (store.stats().segments < segments) await append(store, text);
  return store;
}

async function append(store: Store, text: string): Promise<void> {
  const from = store.stats().accepted;
  const appends = Array.from({ length: 10 }, (_, i) => ({
    stream: `s${(from + i) % STREAMS}`,
    events: {
      type: 'Said',
      tags: [(from + i) % 2 === 0 ? 'even' : 'odd'],
      data: `${text}${from + i} `.repeat(100),
    },
  }));
  await store.appendMany(appends);
}
