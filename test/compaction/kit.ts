/** Stores of which a stream was deleted. */
import fs from 'node:fs';
import path from 'node:path';
import type { RecordedEvent, Store } from 'keeperlog';
import { sealedNumber } from '../../dist/shared/format/file-names.js';
import { rawOf } from './sealed.js';

const TEXT = 'what an agent has to say about its work, '.repeat(6);

/** Events of four streams in turns, in batches, so that frames have those of several. */
export async function fill(store: Store, events = 6000): Promise<void> {
  for (let n = 0; n < events; n += 200) {
    const of = (stream: string, count: number): { stream: string; events: { type: string; data: object }[] } => ({
      stream,
      events: Array.from({ length: count }, (_, i) => ({
        type: i % 3 === 0 ? 'Said' : 'Done',
        data: { n, i, text: `${stream} ${TEXT}` },
        tags: [`task:${(n + i) % 50}`],
        metadata: { agent: `agent-${i % 3}`, correlationId: `c-${n}` },
      })),
    });
    await store.appendMany([of('kept', 50), of('user-42', 60), of('other', 20), of('user-7', 70)]);
  }
}

/** What a store gives by every way of reading. */
export async function everything(store: Store): Promise<string[]> {
  const text = (events: readonly RecordedEvent[]): string => events.map((event) => JSON.stringify(event)).join('\n');
  return [
    text(await store.read().toArray()),
    text(await store.read({}, { direction: 'backwards' }).toArray()),
    text(await store.read({ types: 'Said', tags: 'task:7' }).toArray()),
    text(await store.read({ streams: 'user-*' }).toArray()),
    text(await store.readStream('other', { fromRevision: 70, limit: 30 }).toArray()),
    text(await store.readStream('user-42').toArray()),
    JSON.stringify(await store.streams().toArray()),
    JSON.stringify(await store.head('other')),
    JSON.stringify(await store.head('user-42')),
    JSON.stringify(await store.get(5)),
    JSON.stringify(await store.query({ aggregate: { count: true } }).toArray()),
    JSON.stringify(await store.query({ groupBy: ['stream'], aggregate: { count: true } }).toArray()),
    JSON.stringify(await store.query({ groupBy: ['agent'], aggregate: { count: true } }).toArray()),
    text(await store.query("agent == 'agent-1' && type == 'Done'").toArray()),
  ];
}

/** Bytes of the sealed segments and their indexes. */
export function sealedBytes(dir: string): number {
  const files = fs.readdirSync(dir).filter((file) => /\.(sealed|index)$/.test(file));
  return files.reduce((sum, file) => sum + fs.statSync(path.join(dir, file)).size, 0);
}

/**
 * The raw bytes of all sealed segments, as text in which names can be looked for.
 * @param backup of a backup: those that were copied by that one
 */
export async function rawText(dir: string, backup?: number): Promise<string> {
  let text = '';
  const ending = backup === undefined ? '' : `.${backup}`;
  for (const file of fs.readdirSync(dir)) {
    const number = file.endsWith(ending) ? sealedNumber(file.slice(0, file.length - ending.length)) : undefined;
    if (number !== undefined) text += (await rawOf(path.join(dir, file), number)).toString('latin1');
    if (file.endsWith('.index')) text += fs.readFileSync(path.join(dir, file), 'latin1');
  }
  return text;
}
