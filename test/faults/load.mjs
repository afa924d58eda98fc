/** Workloads: what several agents append at once, each event saying what belongs to it. */
import fs from 'node:fs';
import { createRequire } from 'node:module';

/** A generator of numbers in [0, 1) that begins at a seed (mulberry32). */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/**
 * Agents that append single events, batches and batches across streams, a part with idempotency keys, each waiting for
 * its last append. Every event carries the name of its call and how many events that has.
 * @param options run: a name that no other load of the store has; agents, calls (of each agent), seed, padBytes
 */
export async function agentLoad(store, { run, agents = 6, calls = 1_000_000, seed = 1, padBytes = 300 }, acknowledged) {
  await Promise.all(Array.from({ length: agents }, (_, agent) => oneAgent(agent)));

  async function oneAgent(agent) {
    const next = random(seed * 1000 + agent);
    for (let n = 0; n < calls; n++) {
      const call = `${run}.${agent}.${n}`;
      const kind = next();
      const size = kind < 0.6 ? 1 : 1 + Math.floor(next() * 20);
      const withKeys = next() < 0.3;
      const events = Array.from({ length: size }, (_, place) => ({
        type: 'work.done',
        data: { call, place, size, pad: 'x'.repeat(Math.floor(next() * padBytes)) },
        metadata: { agent: `agent-${agent}`, session: run },
        tags: [`run:${run}`],
        ...(withKeys && { idempotencyKey: `${call}.${place}` }),
      }));
      const streams =
        kind > 0.85 && size > 1
          ? [
              { stream: `agent-${agent}`, events: events.slice(0, 1) },
              { stream: `shared-${run}`, events: events.slice(1) },
            ]
          : undefined;
      const appended =
        streams === undefined
          ? await store.append(`agent-${agent}`, size === 1 ? events[0] : events)
          : await store.appendMany(streams);
      acknowledged({ call, ids: appended.ids, key: withKeys ? `${call}.0` : undefined });
    }
  }
}

/** Real payloads: examples of webhooks, and records of agents where they are at hand. */
export function realPayloads() {
  const examples = createRequire(import.meta.url)('@octokit/webhooks-examples');
  const payloads = (examples.default ?? examples).flatMap(({ name, examples: bodies }) =>
    bodies.map((data) => ({ type: `github.${name}`, data })),
  );
  const sessions = new URL('../../../shared/data/agent-sessions.jsonl', import.meta.url);
  if (fs.existsSync(sessions)) {
    for (const line of fs.readFileSync(sessions, 'utf8').split('\n')) {
      if (line !== '') payloads.push({ type: 'agent.record', data: JSON.parse(line) });
    }
  }
  return payloads;
}

/** On a machine that cannot follow, an append may be refused: then there is nothing of it. */
function unlessRefused(error) {
  if (error.code !== 'ERR_BACKPRESSURE' || error.outcome !== 'not-appended') throw error;
}

/** Real payloads at a rate, whatever the store does, for so long. */
export async function payloadLoad(store, { run, eventsPerSecond, seconds }, acknowledged) {
  const payloads = realPayloads();
  const began = performance.now();
  const total = eventsPerSecond * seconds;
  const results = [];
  for (let n = 0; n < total; ) {
    const due = Math.min(total, Math.floor(((performance.now() - began) / 1000) * eventsPerSecond));
    for (; n < due; n++) {
      const call = `${run}.${n}`;
      const event = {
        ...payloads[n % payloads.length],
        metadata: { agent: `agent-${n % 8}`, call, payload: n % payloads.length },
      };
      const appended = store.append(`bridge-${n % 50}`, event).then(({ ids }) => acknowledged({ call, ids }));
      results.push(appended.catch(unlessRefused));
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(results);
}
