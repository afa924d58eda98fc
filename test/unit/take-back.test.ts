/** What was accepted and is given up, as after a full disk, leaves nothing behind but the time. */
import { describe, expect, test } from 'vitest';
import { Call, type Part } from '../../dist/main/append/call.js';
import { Clock, systemClock, toNs } from '../../dist/main/append/clock.js';
import { Conditions } from '../../dist/main/append/conditions.js';
import { Duplicates } from '../../dist/main/append/duplicates.js';
import { Heads } from '../../dist/main/append/heads.js';
import { Keys } from '../../dist/main/append/keys.js';
import { Pending } from '../../dist/main/append/pending.js';
import { Sequencer } from '../../dist/main/append/sequencer.js';
import { NameHasher } from '../../dist/shared/format/name-hash.js';
import { addRecord, ringOf } from '../support/ring.js';

const nameHasher = await NameHasher.create(Buffer.alloc(32, 1));

function setUp() {
  const { producer, state } = ringOf(64 * 1024, 0, 1024);
  const heads = new Heads(nameHasher, undefined);
  const keys = new Keys(nameHasher, 1000, 3_600_000);
  const memory = { bytes: state.ring, view: state.view };
  const pending = new Pending();
  const duplicates = new Duplicates(keys, pending, memory, () => undefined, 'n');
  const checks = { duplicates, conditions: new Conditions(pending, memory) };
  const clock = new Clock(systemClock, () => {});
  const sequencer = new Sequencer(producer, clock, keys, checks, 0);
  const append = (stream: string, key = ''): Call => {
    const part: Part = {
      stream,
      count: 1,
      expect: 'any',
      events: [],
      path: 'event',
      single: true,
      flags: 0,
      head: heads.get(stream, false),
      previousRevision: -1,
      previousSequence: 0,
    };
    const call = new Call([part], 1, { durability: 'synced', system: false, many: false });
    if (key !== '') call.keys = [key];
    sequencer.admit(call, [addRecord(producer, 64, 0)]);
    return call;
  };
  /** Have every head leave the objects, as other streams come by. */
  const evict = (): void => {
    for (let i = 0; i < 40_000; i++) heads.get(`other${i}`, false);
  };
  /** The call is durable. */
  const settle = (call: Call): void => {
    for (const { head } of call.parts) head.pending--;
  };
  return { heads, keys, sequencer, append, evict, settle };
}

describe('taking back the newest append', () => {
  test('brings the stream, the sequence and the keys back, and not the clock', () => {
    const { heads, keys, sequencer, append } = setUp();
    const first = append('a', 'one');
    const second = append('a', 'two');
    sequencer.takeBack(second);
    expect(heads.get('a', false)).toMatchObject({ revision: 0, lastSequence: 1, pending: 1 });
    expect(sequencer.lastSequence).toBe(1);
    expect([keys.find('one'), keys.find('two')]).toEqual([1, 0]);
    const third = append('a', 'two');
    expect(third.firstSequence).toBe(2);
    expect(toNs(third.seconds, third.nanos)).toBeGreaterThan(toNs(second.seconds, second.nanos));
    expect(first.firstSequence).toBe(1);
  });

  test('leaves a stream that had no events without any', () => {
    const { heads, sequencer, append } = setUp();
    sequencer.takeBack(append('a'));
    expect(heads.peek('a')).toBeUndefined();
  });

  test('holds also where a checkpoint under way had taken the head', () => {
    const { heads, sequencer, append, evict, settle } = setUp();
    settle(append('a'));
    const second = append('a');
    heads.freeze();
    sequencer.takeBack(second);
    heads.thaw();
    expect(heads.peek('a')).toMatchObject({ revision: 0, lastSequence: 1 });
    evict();
    expect(heads.peek('a')).toMatchObject({ revision: 0, lastSequence: 1 });
    expect(heads.get('a', false)).toMatchObject({ revision: 0, lastSequence: 1 });
  });
});

describe('heads', () => {
  test('with pending appends stay the same objects, whatever comes by', () => {
    const { heads, append, evict, settle } = setUp();
    const call = append('a');
    const head = heads.get('a', false);
    evict();
    expect(heads.get('a', false)).toBe(head);
    evict();
    evict();
    expect(heads.get('a', false)).toBe(head);
    settle(call);
    evict();
    evict();
    expect(heads.get('a', false)).not.toBe(head);
    expect(heads.peek('a')).toMatchObject({ revision: 0, lastSequence: 1 });
  });
});
