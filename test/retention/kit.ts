/** Stores from which retention removes segments. */
import fs from 'node:fs';
import type { Logger, Store, StoreOptions } from 'keeperlog';
import { expect, vi } from 'vitest';
import { open } from '../support/stores.js';

/** Some ten events a segment. */
export const SEGMENT_BYTES = 65_536;
const TEXT = 'what an agent says. '.repeat(250);

/** What is kept of a logger's lines. */
export interface Line {
  readonly level: keyof Logger;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

export function logLines(): { readonly logger: Logger; readonly lines: Line[] } {
  const lines: Line[] = [];
  const keep = (level: keyof Logger) => (fields: object, message: string) =>
    void lines.push({ level, fields: fields as Line['fields'], message });
  return { logger: { error: keep('error'), warn: keep('warn'), info: keep('info'), debug: keep('debug') }, lines };
}

/** Small segments, which are sealed as they become full. */
export function openWith(retention: StoreOptions['retention'], options: Partial<StoreOptions> = {}): Promise<Store> {
  const small = { segmentBytes: SEGMENT_BYTES, sealing: 'background', compression: 'none' } as const;
  return open({ ...small, ...(retention !== undefined && { retention }), ...options });
}

/** One event of some 5 KB after the other, in three streams. */
export async function fill(store: Store, events: number, from = 0): Promise<string[]> {
  const ids: string[] = [];
  for (let i = from; i < from + events; i++) {
    const event = { type: 'Said', data: { i, text: TEXT }, tags: [`n:${i}`], idempotencyKey: `key-${i}` };
    ids.push(...(await store.append(`s${i % 3}`, event)).ids);
  }
  return ids;
}

export function filesOf(store: Store, ending: string): string[] {
  return fs.readdirSync(store.stats().dir).filter((name) => name.endsWith(ending));
}

/** Until the log takes no more than so many bytes, and what is below its floor has gone. Returns the floor. */
export async function untilWithin(store: Store, bytes: number): Promise<number> {
  const check = (): void => {
    expect(store.stats().bytes).toBeLessThanOrEqual(bytes);
    expectTidy(store);
  };
  await vi.waitFor(check, { timeout: 20_000, interval: 20 });
  return store.stats().floor;
}

/** No file is there that the log does not need. */
export function expectTidy(store: Store): void {
  const { floor, segments } = store.stats();
  // One for each segment, and one that is made ahead.
  const files = filesOf(store, '.sealed').length + filesOf(store, '.log').length;
  expect(files).toBeLessThanOrEqual(segments + 1);
  expect(filesOf(store, '.base')).toEqual(floor === 1 ? [] : [`keeperlog.${floor}.base`]);
}
