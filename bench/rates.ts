/**
 * Latency against load: an open loop at rates from 1,000 events/s until the machine does not keep up, small events, each an
 * append of its own, acknowledged after the sync; engine and floor in turn. Latency counts from the moment at which an event
 * was due.
 *
 *     node build/bench/rates.js [--seconds N] [--runs N] [--figures DIR] [--dir DIR]
 */
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { isKeeperError } from 'keeperlog';
import { draw } from './curves.js';
import { type Figures, medians, openLoop } from './drive.js';
import { small } from './events.js';
import { openFloor } from './floor.js';
import { digits, head, spread, tableHead, tableRow, whole } from './report.js';
import { openEngine, type Target } from './target.js';

const RATES = [1000, 3000, 10_000, 30_000, 50_000, 100_000, 150_000, 200_000, 300_000];
const KEYS = ['p50', 'p99', 'p999', 'max'] as const;
/** What is waiting has come to its limit: nothing that could be measured. */
const SATURATED: Figures = { rate: 0, p50: 0, p99: 0, p999: 0, max: 0 };
/** Less than this part of a rate is not that rate. */
const KEPT_UP = 0.98;

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '10' },
    runs: { type: 'string', default: '3' },
    figures: { type: 'string' },
    dir: { type: 'string', default: '.' },
  },
});
const seconds = Number(values.seconds);
const ms = digits(2);
const lines = head(
  'Latency against load',
  `Medians of ${values.runs} runs of ${seconds} s each, engine and floor in turn; milliseconds (engine / floor).`,
);
const columns = ['events/s', 'p50', 'p99', 'lowest to highest p99', 'p99.9', 'max', 'ratio of p50', 'ratio of p99'];
lines.push(...tableHead(columns));
const rows: [rate: number, engine: Figures, floor: Figures][] = [];
for (const rate of RATES) {
  const engineRuns: Figures[] = [];
  const floorRuns: Figures[] = [];
  for (let run = 0; run < Number(values.runs); run++) {
    floorRuns.push(await measured(rate, (dir) => openFloor(path.join(dir, 'floor'), 'msgpack')));
    engineRuns.push(await measured(rate, (dir) => openEngine({ dir: path.join(dir, 'engine') }, small())));
  }
  const [engine, floor] = [medians(engineRuns), medians(floorRuns)];
  if (engine.rate < rate * KEPT_UP) {
    const beside = floor.rate < rate * KEPT_UP ? 'nor does the floor' : 'the floor does';
    const reached = engine.rate === 0 ? 'too much waits' : `${whole(engine.rate)} events/s`;
    lines.push('', `At ${whole(rate)} events/s it does not keep up: ${reached}; ${beside}.`);
    break;
  }
  rows.push([rate, engine, floor]);
  const pair = (key: (typeof KEYS)[number]): string => `${ms(engine[key])} / ${ms(floor[key])}`;
  lines.push(
    tableRow([
      whole(rate),
      pair('p50'),
      pair('p99'),
      spread(
        engineRuns.map(({ p99 }) => p99),
        ms,
      ),
      pair('p999'),
      pair('max'),
      ms(engine.p50 / floor.p50),
      ms(engine.p99 / floor.p99),
    ]),
  );
  process.stderr.write(`${lines.at(-1)}\n`);
}
process.stdout.write(`${lines.join('\n')}\n`);
if (values.figures !== undefined) {
  draw(values.figures, {
    file: 'latency-by-rate.svg',
    title: 'Latency of a durable append against load',
    x: 'events/s',
    y: 'milliseconds',
    curves: [
      ...KEYS.map((key) => ({ name: key, points: rows.map(([rate, engine]) => [rate, engine[key]] as const) })),
      { name: 'p99 of the floor', points: rows.map(([rate, , floor]) => [rate, floor.p99] as const) },
    ],
  });
}

async function measured(rate: number, open: (dir: string) => Promise<Target>): Promise<Figures> {
  const dir = fs.mkdtempSync(path.join(path.resolve(values.dir), 'bench-rates-'));
  try {
    const target = await open(dir);
    try {
      await openLoop(target, small(), rate, Math.min(1, seconds));
      return await openLoop(target, small(), rate, seconds);
    } catch (error) {
      if (!isKeeperError(error, 'ERR_BACKPRESSURE')) throw error;
      return SATURATED;
    } finally {
      await target.close();
    }
  } finally {
    fs.rmSync(dir, { recursive: true, force: true });
  }
}
