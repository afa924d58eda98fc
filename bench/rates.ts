/**
 * Latency against load: an open loop at rates from 1,000 events/s until the machine does not keep up, small events, each an
 * append of its own, acknowledged after the sync. Latency counts from the moment at which an event was due.
 *
 *     node build/bench/rates.js [--seconds N] [--runs N] [--figures DIR] [--dir DIR]
 */
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { draw } from './curves.js';
import { type Figures, openLoop } from './drive.js';
import { small } from './events.js';
import { head, median, tableHead, tableRow, whole } from './report.js';
import { openEngine } from './target.js';

const RATES = [1000, 3000, 10_000, 30_000, 50_000, 100_000, 150_000, 200_000, 300_000];
const KEYS = ['p50', 'p99', 'p999', 'max'] as const;

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '10' },
    runs: { type: 'string', default: '3' },
    figures: { type: 'string' },
    dir: { type: 'string', default: '.' },
  },
});
const seconds = Number(values.seconds);
const lines = head('Latency against load', `Medians of ${values.runs} runs of ${seconds} s each; milliseconds.`);
lines.push(...tableHead(['events/s', 'p50', 'p99', 'p99.9', 'max']));
const rows: [rate: number, figures: Figures][] = [];
for (const rate of RATES) {
  const runs: Figures[] = [];
  for (let run = 0; run < Number(values.runs); run++) runs.push(await measured(rate));
  const of = (key: keyof Figures): number => median(runs.map((figures) => figures[key]));
  const figures = { rate: of('rate'), p50: of('p50'), p99: of('p99'), p999: of('p999'), max: of('max') };
  // What is not done in time was not this rate.
  if (figures.rate < rate * 0.98) {
    lines.push('', `At ${whole(rate)} events/s it does not keep up: ${whole(figures.rate)} events/s.`);
    break;
  }
  rows.push([rate, figures]);
  lines.push(tableRow([whole(rate), ...KEYS.map((key) => figures[key].toFixed(2))]));
  process.stderr.write(`${lines.at(-1)}\n`);
}
process.stdout.write(`${lines.join('\n')}\n`);
if (values.figures !== undefined) {
  draw(values.figures, {
    file: 'latency-by-rate.svg',
    title: 'Latency of a durable append against load',
    x: 'events/s',
    y: 'milliseconds',
    curves: KEYS.map((key) => ({ name: key, points: rows.map(([rate, figures]) => [rate, figures[key]]) })),
  });
}

async function measured(rate: number): Promise<Figures> {
  const dir = fs.mkdtempSync(path.join(path.resolve(values.dir), 'bench-rates-'));
  const target = await openEngine({ dir }, small());
  try {
    await openLoop(target, small(), rate, 1);
    return await openLoop(target, small(), rate, seconds);
  } finally {
    await target.close();
    fs.rmSync(dir, { recursive: true, force: true });
  }
}
