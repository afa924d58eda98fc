/** Failures that the model has found, each in its shortest form. */
import { describe, expect, it } from 'vitest';
import type { NewEvent } from '../../dist/main/index.js';
import { checkStream } from './reads.js';
import { Subject } from './subject.js';
import { MemoryWorld } from './worlds.js';

const event = (data: unknown, idempotencyKey?: string): NewEvent => ({
  type: 'Added',
  data,
  ...(idempotencyKey !== undefined && { idempotencyKey }),
});

async function opened(): Promise<Subject> {
  const subject = new Subject(new MemoryWorld());
  await subject.open({});
  return subject;
}

describe('a store beside its model', () => {
  it('tells where a stream that is read backwards was begun, also where a limit ends it', async () => {
    const subject = await opened();
    await subject.begin({ how: 'append', parts: [{ stream: 'a', events: [event(1)] }] });
    await subject.begin({ how: 'append', parts: [{ stream: 'b', events: [event(2)] }] });
    await subject.settle();
    await checkStream(subject, 'store', 'a', { direction: 'backwards', limit: 1 }, 'batches');
    await checkStream(subject, 'store', 'a', { fromRevision: 1, toRevision: 0 }, 'toArray');
    await subject.finish();
  });

  it('refuses what waits for room in the ring for the full disk, whatever else is wrong with it', async () => {
    const subject = await opened();
    const large = event('x'.repeat(30_000));
    for (let i = 0; i < 5; i++) await subject.begin({ how: 'append', parts: [{ stream: 'a', events: [large] }] });
    expect(subject.store.stats().waiting).toBeGreaterThan(0);
    await subject.begin({ how: 'append', parts: [{ stream: 'a', events: [event(1)], expect: 'none' }] });
    subject.model.mayBeFull = true;
    subject.world.fill('no-log');
    await subject.settle();
    await subject.finish();
  });

  it('records that it goes on after a full disk without being asked for anything', async () => {
    const subject = await opened();
    await subject.begin({ how: 'append', parts: [{ stream: 'a', events: [event(1, 'key')] }] });
    subject.model.mayBeFull = true;
    subject.world.fill('no-growth');
    await subject.settle();
    await subject.free();
    expect(subject.model.log.map(({ type }) => type)).toEqual(['WritesResumed']);
    await subject.begin({ how: 'append', parts: [{ stream: 'b', events: [event(2, 'key')] }] });
    await subject.finish();
  });
});
