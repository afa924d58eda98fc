import { expect, it } from 'vitest';
import { Pace } from '../../dist/main/seal/pace.js';

/** So long that a test which waits for it fails. Unit: milliseconds. */
const FOR_EVER = 1e9;
const NEVER = new AbortController().signal;

it('rests three times as long as it has worked while there are appends', async () => {
  let durable = 0;
  const pace = new Pace(() => durable);
  durable++;
  const began = performance.now();
  await pace.rest(20, NEVER);
  expect(performance.now() - began).toBeGreaterThanOrEqual(59); // timers count whole milliseconds
});

it('rests longer where events come faster than it could follow', async () => {
  let durable = 0;
  const pace = new Pace(() => durable);
  durable += 1e9;
  const began = performance.now();
  await pace.rest(4, NEVER);
  expect(performance.now() - began).toBeGreaterThanOrEqual(59);
});

it('goes on at once where nobody has appended since it last looked', async () => {
  let durable = 7;
  const pace = new Pace(() => durable);
  await pace.rest(FOR_EVER, NEVER);
  durable++;
  await pace.rest(1, NEVER);
  await pace.rest(FOR_EVER, NEVER);
});

it('rests no longer once it is to end', async () => {
  let durable = 0;
  const pace = new Pace(() => durable++);
  const end = new AbortController();
  const resting = pace.rest(1e6, end.signal);
  end.abort();
  await resting;
  await pace.rest(1e6, end.signal);
});
