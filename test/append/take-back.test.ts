import { expect, test } from 'vitest';
import { Call, type Part } from '../../src/main/append/call.js';
import type { Head } from '../../src/main/append/heads.js';
import { Sequencer } from '../../src/main/append/sequencer.js';

const head: Head = {
  stream: 's',
  bytes: Buffer.from('s'),
  hash: new Uint32Array(4),
  revision: 7,
  lastSequence: 23,
  pending: 2,
  dirty: true,
};

const part = (previousRevision: number, previousSequence: number): Part => ({
  stream: 's',
  count: 2,
  flags: 0,
  expect: 'any',
  events: [],
  path: 'events',
  single: false,
  head,
  previousRevision,
  previousSequence,
});

test('a call that is given up leaves a stream that it names twice as it was before the first time', () => {
  const nothing = undefined as never;
  const sequencer = new Sequencer(
    { state: {} } as never,
    nothing,
    nothing,
    { duplicates: nothing, conditions: nothing },
    23,
  );
  const call = new Call([part(3, 17), part(5, 20)], 4, { durability: 'synced', system: true, many: false });
  call.firstSequence = 20;
  sequencer.takeBack(call);
  expect(head).toMatchObject({ revision: 3, lastSequence: 17, pending: 0 });
  expect(sequencer.lastSequence).toBe(19);
});
