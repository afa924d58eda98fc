/**
 * The asking bench: what a sealed store of a million events answers without reading it through. Checkpoints and proofs, appends with
 * conditions, counts and pages, and what is read for a result of some size; each beside what the same comes to without it.
 *
 *     node build/bench/ask.js [--events N] [--runs N] [--dir DIR]
 */
import path from 'node:path';
import { parseArgs } from 'node:util';
import { conditions } from './ask-conditions.js';
import { type Measured, proofs } from './ask-proofs.js';
import { bytesRead, counts, pages } from './ask-queries.js';
import { makeAsked } from './ask-store.js';
import { comparedHead, comparedRow, digits, head, median, whole } from './report.js';
import { withDir } from './target.js';

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '1000000' },
    runs: { type: 'string', default: '3' },
    dir: { type: 'string', default: '.' },
  },
});
const [events, runs] = [Number(values.events), Number(values.runs)];

const TABLES = {
  proofs: { what: 'proofs, ms', floor: 'bare SHA-256, Ed25519, files', format: digits(3) },
  synced: { what: 'an append with a condition on a tag, ms', floor: 'without', format: digits(2) },
  accepted: { what: 'the same, until it is accepted, ms', floor: 'without', format: digits(3) },
  counts: { what: 'counted, events/s', floor: 'plain read of the same', format: whole },
  pages: { what: `pages of 100, rows/s`, floor: 'one read of the same', format: whole },
  bytes: { what: 'bytes read for each event', floor: 'its bytes in the log', format: whole },
} as const;
type Run = Readonly<Record<keyof typeof TABLES, ReadonlyMap<string, Measured>>>;

const all: Run[] = [];
for (let run = 0; run < runs; run++) {
  await withDir(values.dir, 'bench-ask-', async (dir) => void all.push(await measured(dir)));
}
const lines = head(
  'Asking bench',
  `Medians of ${runs} runs, each with a store of its own: ${whole(events)} small events in sealed segments, in the page cache.`,
);
for (const [key, { what, floor, format }] of Object.entries(TABLES) as [keyof Run, (typeof TABLES)[keyof Run]][]) {
  lines.push(...comparedHead(what, floor));
  for (const name of all[0]![key].keys()) {
    const ofName = all.map((run) => run[key].get(name)!);
    const beside = { floor: median(ofName.map(([, floor]) => floor)), format };
    lines.push(
      comparedRow(
        name,
        ofName.map(([figure]) => figure),
        beside,
      ),
    );
  }
}
process.stdout.write(`${lines.join('\n')}\n`);

async function measured(base: string): Promise<Run> {
  const asked = await makeAsked(path.join(base, 'store'), events);
  try {
    // What appends comes last: what is asked before is all sealed.
    const queried = { bytes: await bytesRead(asked), counts: await counts(asked), pages: await pages(asked) };
    const run = { ...queried, ...(await conditions(asked)), proofs: await proofs(asked) };
    for (const [name, table] of Object.entries(run)) {
      process.stderr.write(`${name}: ${JSON.stringify(Object.fromEntries(table))}\n`);
    }
    return run;
  } finally {
    await asked.store.close();
  }
}
