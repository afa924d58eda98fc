/**
 * Whole stores whose files are not what they were: changed, cut, replaced, or exchanged, with checksums that hold or do
 * not. Opening gives a typed error or a store; and of that store every call gives a value or a typed error.
 */
import { beforeAll, expect, test } from 'vitest';
import type { Store } from '../../dist/main/index.js';
import { openStoreOn } from '../../dist/main/store.js';
import { PlaceHasher, recordSeed } from '../../dist/shared/format/checksum.js';
import { segmentNumber } from '../../dist/shared/format/file-names.js';
import { isKeeperError } from '../../dist/shared/portable/errors.js';
import type { Image } from '../crash/image.js';
import { InlineRuntime } from '../crash/inline-runtime.js';
import { MemoryDisk } from '../crash/memory-disk.js';
import { type Random, seeded } from '../crash/random.js';
import { DIR, OPTIONS, Session } from '../crash/session.js';
import { effort, progress, SEED, TIMEOUT_MS, tally } from '../support/effort.js';
import { arbitraryBytes, mutate, pick } from './mutate.js';
import { repairCheckpoint, repairManifest, repairSegment, repairWatermark } from './repair.js';

const COUNT = effort(200, 20_000);

interface Fixture {
  readonly image: Image;
  readonly files: readonly string[];
  readonly hasher: PlaceHasher;
  readonly seed: number;
}
let fixture: Fixture;

beforeAll(async () => {
  const session = new Session();
  await session.open();
  for (let i = 0; i < 12; i++) await session.append(`stream/${i % 3}`, 100, 9_000);
  await session.appendKeyed('keyed', 'key', 200);
  await session.close();
  await session.open();
  await session.append('stream/0', 300);
  session.kill();
  const image = session.disk.image();
  const files = [...image.names.keys()].filter((name) => name.startsWith(`${DIR}/`) && !name.endsWith('.lock'));
  const manifest = JSON.parse(contentOf(image, `${DIR}/keeperlog.manifest`).toString().split('\n')[0]!);
  const storeId = Buffer.from(manifest.storeId, 'hex');
  fixture = { image, files, hasher: await PlaceHasher.create(storeId), seed: recordSeed(storeId) };
  expect(files.filter((name) => name.endsWith('.log')).length).toBeGreaterThan(2);
  expect(files.some((name) => name.endsWith('.heads'))).toBe(true);
});

function contentOf(image: Image, name: string): Buffer {
  return image.contents.get(image.names.get(name)!)!;
}

/** The store with one or two files changed; what was done goes into the names of the changes. */
function damaged(random: Random): { image: Image; changes: string[] } {
  const names = new Map(fixture.image.names);
  const contents = new Map(fixture.image.contents);
  const changes: string[] = [];
  for (let left = random() < 0.7 ? 1 : 2; left > 0; left--) {
    const name = pick(random, fixture.files);
    const kind = pick(random, [
      'mutate',
      'mutate',
      'repair',
      'repair',
      'repair',
      'replace',
      'exchange',
      'name',
    ] as const);
    changes.push(`${kind} ${name}`);
    const inode = names.get(name);
    if (inode === undefined) continue;
    if (kind === 'name') {
      names.delete(name);
      names.set(pick(random, STRANGE_NAMES), inode);
    } else if (kind === 'exchange') contents.set(inode, contentOf(fixture.image, pick(random, fixture.files)));
    else if (kind === 'replace') contents.set(inode, arbitraryBytes(random, 5000));
    else contents.set(inode, changed(random, name, contents.get(inode)!, kind === 'repair'));
  }
  return { image: { names, contents }, changes };
}

const STRANGE_NAMES = [
  'segment-9999999999.log',
  'segment-4294967295.log',
  'segment-0000000000.log',
  'keeperlog.heads',
].map((name) => `${DIR}/${name}`);

function changed(random: Random, name: string, content: Buffer, repaired: boolean): Buffer {
  // Where the zeros ahead of the log begin is where most changes would fall: only a part of them is kept.
  const used = content.subarray(0, content.length - trailingZeros(content) + 64);
  const bytes = Buffer.from(mutate(random, used));
  if (!repaired) return bytes;
  const { hasher, seed } = fixture;
  const number = segmentNumber(name.slice(DIR.length + 1));
  if (number !== undefined) repairSegment(bytes, hasher, number, seed);
  else if (name.endsWith('.manifest')) return repairManifest(bytes);
  else if (name.endsWith('.watermark')) repairWatermark(bytes, hasher);
  else repairCheckpoint(bytes, hasher);
  return bytes;
}

function trailingZeros(bytes: Buffer): number {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  return Math.min(bytes.length - end, Math.max(0, bytes.length - 64));
}

/** What a call gives; undefined where it fails as it may. */
async function typed<T>(call: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await call();
  } catch (error) {
    if (!isKeeperError(error)) throw error;
    return undefined;
  }
}

/** Read everything in every way. Returns how many calls gave a value. */
async function readAll(store: Store): Promise<number> {
  const events = await typed(() => store.read().toArray());
  const backwards = await typed(() => store.read({}, { direction: 'backwards', limit: 20 }).toArray());
  for (const event of [...(events ?? []), ...(backwards ?? [])]) await typed(() => event.toJSON());
  const results = [
    events,
    backwards,
    await typed(() => store.read({ streams: 'stream/*', tags: 'call:1' }).toArray()),
    await typed(() => store.readStream('stream/1', { fromRevision: 2 }).toArray()),
    await typed(() => store.streams().toArray()),
    await typed(() => store.get(3)),
    await typed(() => store.head('keyed')),
    await typed(() => store.read({}, { from: new Date(0), limit: 3 }).toArray()),
    await typed(() => store.verify({ deep: true })),
  ];
  return results.filter((result) => result !== undefined).length;
}

test(
  'a store of damaged files opens or refuses, reads or refuses, and appends or refuses',
  async () => {
    let opened = 0;
    let refused = 0;
    for (let number = 0; number < COUNT; number++) {
      const random = seeded(SEED * 1_000_003 + number);
      const { image, changes } = damaged(random);
      try {
        const options = { ...OPTIONS, readOnly: number % 2 === 0 };
        const runtime = new InlineRuntime(new MemoryDisk(image));
        const store = await typed(() => openStoreOn(options, runtime));
        if (store === undefined) {
          refused++;
          continue;
        }
        opened++;
        await readAll(store);
        if (!options.readOnly) {
          await typed(() => store.append('stream/0', { type: 'Later' }));
          await typed(() => store.append('keyed', { type: 'Later', idempotencyKey: 'key' }));
        }
        await typed(() => store.close());
      } catch (cause) {
        throw new Error(`FAULTS_SEED=${SEED} store ${number} (${changes.join(', ')}): ${String(cause)}`, { cause });
      }
      if (number % 1000 === 999) progress(`fuzz: ${number + 1} stores, ${opened} opened`);
    }
    expect(opened).toBeGreaterThan(COUNT / 10);
    expect(refused).toBeGreaterThan(COUNT / 10);
    tally('fuzz', 'stores of damaged files', COUNT);
  },
  TIMEOUT_MS,
);
