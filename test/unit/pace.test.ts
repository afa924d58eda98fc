import { expect, it } from 'vitest';
import { type Load, Pace } from '../../dist/main/seal/pace.js';

/** So long that a test which waits for it fails. Unit: milliseconds. */
const FOR_EVER = 1e9;
const NEVER = new AbortController().signal;
const GIB = 1024 ** 3;

interface Settable extends Load {
  events: number;
  bytes: number;
  waiting: number;
  looks: number;
  /** Called at each look. */
  onLook: () => void;
}

function loadOf(onLook = (): void => {}): Settable {
  const load: Settable = {
    ...{ events: 0, bytes: 0, waiting: 0, looks: -1, onLook },
    durable() {
      load.looks++;
      if (load.looks > 0) load.onLook();
      return load.events;
    },
    durableBytes: () => load.bytes,
    waitingBytes: () => load.waiting,
  };
  return load;
}

it('rests three times as long as it has worked while there are appends', async () => {
  const load = loadOf();
  const pace = new Pace(load);
  load.events++;
  const began = performance.now();
  await pace.rest(20, NEVER);
  expect(performance.now() - began).toBeGreaterThanOrEqual(59); // timers count whole milliseconds
  expect(load.looks).toBe(1);
});

it.each([
  ['events', 1e9, 0],
  ['bytes', 1, 1e12],
])('waits while %s come as fast as in a bulk load', async (_, events, bytes) => {
  const load = loadOf(() => {
    if (load.looks >= 4) return;
    load.events += events;
    load.bytes += bytes;
  });
  await new Pace(load).rest(FOR_EVER, NEVER);
  expect(load.looks).toBe(4); // by which time nobody appends any more
});

it.each([
  ['2 GiB', undefined, 2 * GIB],
  ['a quarter of the limit of retention', GIB, GIB / 4],
])('but not once %s wait to be sealed', async (_, limit, most) => {
  const load = loadOf(() => {
    load.events += 1e9;
    load.waiting = load.looks < 3 ? most - 1 : most;
  });
  await new Pace(load, limit).rest(1, NEVER);
  expect(load.looks).toBe(3);
});

it('goes on at once where nobody has appended since it last looked', async () => {
  const load = loadOf();
  load.events = 7;
  const pace = new Pace(load);
  await pace.rest(FOR_EVER, NEVER);
  load.events++;
  await pace.rest(1, NEVER);
  await pace.rest(FOR_EVER, NEVER);
});

it('rests no longer once it is to end', async () => {
  const load = loadOf(() => void load.events++);
  const pace = new Pace(load);
  const end = new AbortController();
  const resting = pace.rest(1e6, end.signal);
  end.abort();
  await resting;
  await pace.rest(1e6, end.signal);
});

it('waits for no load once it is to end', async () => {
  const load = loadOf(() => {
    load.events += 1e9;
  });
  const pace = new Pace(load);
  const end = new AbortController();
  const waiting = pace.rest(1, end.signal);
  end.abort();
  await waiting;
});
