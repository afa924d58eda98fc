/** Appends with a condition, each beside the same append without one, in turn. */
import { type AppendCondition, isKeeperError } from 'keeperlog';
import type { Measured } from './ask-proofs.js';
import { type Asked, behindEarly, earlyTag } from './ask-store.js';
import { small } from './events.js';
import { percentile, timed } from './timing.js';

const APPENDS = 500;

type Durability = 'synced' | 'accepted';

/** What is looked for: a tag that no event may have behind a place. */
type Kind =
  | 'no history'
  | 'its history is recent'
  | 'its history is in sealed segments'
  | 'refused: an event in sealed segments';

/** Milliseconds, by what was looked for and how durable the append was. */
export async function conditions(asked: Asked): Promise<Record<Durability, Map<string, Measured>>> {
  return {
    synced: await withDurability(asked, 'synced', [
      'no history',
      'its history is recent',
      'its history is in sealed segments',
    ]),
    accepted: await withDurability(asked, 'accepted', [
      'no history',
      'its history is recent',
      'its history is in sealed segments',
      'refused: an event in sealed segments',
    ]),
  };
}

async function withDurability(
  asked: Asked,
  durability: Durability,
  kinds: readonly Kind[],
): Promise<Map<string, Measured>> {
  const { store } = asked;
  const measured = new Map<string, Measured>();
  const event = { ...small()[0]!, tags: ['counter:1'] };
  for (const kind of kinds) {
    const recent = kind === 'its history is recent' ? await appendRecent(asked) : 0;
    const [plain, conditional]: [number[], number[]] = [[], []];
    for (let i = 0; i < APPENDS; i++) {
      const condition = conditionOf(kind, i, asked, recent);
      plain.push((await timed(() => store.append('plain', event, { durability })))[0]);
      const append = (): Promise<unknown> => store.append('conditional', event, { durability, condition });
      conditional.push((await timed(() => (kind.startsWith('refused') ? refused(append) : append())))[0]);
    }
    await store.flush();
    for (const [name, part] of [
      ['p50', 0.5],
      ['p99', 0.99],
    ] as const) {
      measured.set(`${kind}, ${name}`, [percentile(conditional, part), percentile(plain, part)]);
    }
  }
  return measured;
}

function conditionOf(kind: Kind, i: number, { events }: Asked, recent: number): AppendCondition {
  if (kind === 'no history') return { match: { tags: `never:${i}` } };
  if (kind === 'its history is recent') return { match: { tags: `recent:${i}` }, after: recent };
  const match = { tags: earlyTag(i, events) };
  return kind.startsWith('refused') ? { match } : { match, after: behindEarly(events) };
}

/** An event of each tag that is asked for; returns what somebody has read up to who has read them. */
async function appendRecent({ store }: Asked): Promise<number> {
  const events = Array.from({ length: APPENDS }, (_, i) => ({ ...small()[0]!, tags: [`recent:${i}`] }));
  return (await store.append('recent', events)).lastSequence;
}

async function refused(append: () => Promise<unknown>): Promise<void> {
  try {
    await append();
  } catch (error) {
    if (isKeeperError(error, 'ERR_CONDITION_FAILED')) return;
    throw error;
  }
  throw new Error('an append was let in against its condition');
}
