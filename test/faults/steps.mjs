/**
 * A workload that is the same each time: an opening, every kind of call over several segments, a closing. It goes on where
 * it may: when an opening failed, it tries once more; when the disk was full, it waits for space.
 */
import { openStore } from '../../dist/main/index.js';
import { random } from './load.mjs';

/** How many events the call of each kind of step has; a crowd is several calls of one. */
const SIZES = { one: 1, batch: 7, streams: 6, again: 1, keyed: 3, enqueued: 2, blocked: 1, crowd: 1 };
const KINDS = Object.keys(SIZES);
const CROWD = 5;

/**
 * @param options run: a name that no other run over the directory has; seed; steps
 * @param tell hears of every call what became of it, before the next step begins
 */
export async function runSteps({ dir, run, seed = 1, steps = 16, segmentBytes = 65_536 }, tell) {
  const next = random(seed);
  let lastKeyed;
  const store = (await open()) ?? (await open());
  if (store === undefined) return;
  for (let n = 0; n < steps && store.stats().mode === 'open'; n++) await step(store, `${run}.${n}`, n);
  if (store.stats().mode === 'failed') await attempt(store, makeCall(`${run}.failed`, 'one'));
  await tellFailure('close', () => store.close());

  async function open() {
    return tellFailure('open', () => openStore({ dir, segmentBytes, cacheBytes: 65_536, sealing: 'on-demand' }));
  }

  async function tellFailure(what, action) {
    try {
      return await action();
    } catch (error) {
      tell({ failed: what, ...plain(error) });
      return undefined;
    }
  }

  async function step(store, name, n) {
    const kind = KINDS[n % KINDS.length];
    if (kind === 'again' && lastKeyed !== undefined) await attempt(store, lastKeyed);
    else if (kind === 'crowd') {
      const calls = Array.from({ length: CROWD }, (_, i) => makeCall(`${name}.${i}`, 'one'));
      await Promise.all(calls.map((call) => attempt(store, call)));
    } else {
      const call = makeCall(name, kind);
      if (kind === 'keyed') lastKeyed = call;
      await attempt(store, call);
    }
    if (n % 4 === 3) await tellFailure('read', () => readSome(store));
  }

  function makeCall(name, kind) {
    const size = SIZES[kind];
    const events = Array.from({ length: size }, (_, place) => ({
      type: 'work.done',
      data: { call: name, place, size, pad: 'x'.repeat(Math.floor(next() * 4000)) },
      ...(kind === 'keyed' && { idempotencyKey: `${name}.${place}` }),
    }));
    return { name, kind, events };
  }

  /** One call and what became of it; again, where the disk was full meanwhile. */
  async function attempt(store, call) {
    for (let again = false; ; again = true) {
      try {
        const { ids, duplicate } = await appended(store, call);
        tell({ call: call.name, outcome: 'acknowledged', ids, duplicate });
        return;
      } catch (error) {
        const repeat = error.outcome === 'unknown' && call.kind === 'keyed' ? call.events : undefined;
        tell({ call: call.name, ...plain(error), mode: store.stats().mode, repeat });
        if (error.code !== 'ERR_DEGRADED' || again) return;
        await leaves(store, 'suspended');
        // Who is killed now may have appended it, and cannot say so any more.
        tell({ call: call.name, outcome: 'unknown' });
      }
    }
  }

  async function appended(store, { name, kind, events }) {
    if (kind === 'blocked') return store.appendSync('blocked', events);
    if (kind === 'streams') {
      return store.appendMany([
        { stream: 'one', events: events.slice(0, 1) },
        { stream: `of-${name}`, events: events.slice(1) },
      ]);
    }
    if (kind !== 'enqueued') return store.append('one', events);
    const { ids, durable } = store.enqueue('one', events);
    tell({ call: name, shown: ids });
    return durable;
  }

  async function readSome(store) {
    await store.readStream('one', { limit: 3 }).toArray();
    const [last] = await store.read(undefined, { direction: 'backwards', limit: 1 }).toArray();
    if (last !== undefined) await store.get(Math.max(1, last.sequence - 40));
    await store.head('blocked');
  }
}

/** Resolves when a store is in another mode. */
async function leaves(store, mode) {
  while (store.stats().mode === mode) await new Promise((resolve) => setTimeout(resolve, 10));
  if (store.stats().mode === 'open') await store.flush();
}

export function plain(error) {
  const { name, code, message, outcome, errno, syscall, mode, retryable } = error;
  return { name, code, message, outcome, errno, syscall, mode, retryable };
}
