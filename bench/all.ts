/**
 * Every bench, one after the other, each in a process of its own. What they print goes to files, and what they draw
 * beside it; docs/performance.md quotes it.
 *
 *     node build/bench/all.js [--short] [--only NAME] [--results DIR] [--figures DIR]
 *
 * With `--short` each runs once, for a moment, and nothing is kept: it shows that the benches work, not how fast the engine is.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { quote } from './quote.js';

interface BenchRun {
  readonly name: string;
  /** Options of a short run. */
  readonly short: readonly string[];
  readonly draws?: true;
}

const BENCHES: readonly BenchRun[] = [
  { name: 'functions', short: ['--time', '20'] },
  { name: 'write', short: ['--runs', '1', '--seconds', '0.3', '--open-seconds', '1'] },
  { name: 'read', short: ['--runs', '1', '--events', '20000'] },
  { name: 'seal', short: ['--runs', '1', '--mib', '40', '--seconds', '1'] },
  { name: 'beside', short: ['--seconds', '2', '--rate', '5000'] },
  { name: 'keep', short: ['--runs', '1', '--mib', '8', '--seconds', '0.5', '--rate', '5000'] },
  { name: 'ask', short: ['--runs', '1', '--events', '10000'] },
  { name: 'streams', short: ['--runs', '1', '--streams', '100000'] },
  { name: 'open', short: ['--runs', '1', '--mib', '10'] },
  {
    name: 'memory',
    short: ['--runs', '1', '--events', '200000', '--keys', '20000', '--seconds', '1'],
  },
  { name: 'rates', short: ['--runs', '1', '--seconds', '0.5'], draws: true },
  { name: 'size', short: ['--runs', '1', '--most', '10000'], draws: true },
  { name: 'find', short: ['--runs', '1', '--most', '10000'], draws: true },
];

const { values } = parseArgs({
  options: {
    short: { type: 'boolean', default: false },
    only: { type: 'string' },
    results: { type: 'string', default: 'bench/results' },
    figures: { type: 'string', default: 'docs/figures' },
  },
});
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'keeperlog-bench-'));
const results = values.short ? scratch : values.results;
const figures = values.short ? scratch : values.figures;
try {
  for (const { name, short, draws } of BENCHES.filter(
    ({ name }) => values.only === undefined || name === values.only,
  )) {
    process.stderr.write(`\n${name}\n`);
    const args = [...(values.short ? short : []), ...(draws === true ? ['--figures', figures] : [])];
    const text = await printed(name, args);
    const file = path.join(results, `${new Date().toISOString().slice(0, 10)}-${name}.md`);
    fs.writeFileSync(file, text);
    if (!values.short) {
      quote(name, text);
      process.stderr.write(`${file}\n`);
    }
    process.stdout.write(`${text}\n`);
  }
} finally {
  fs.rmSync(scratch, { recursive: true, force: true });
}

/** What a bench prints; its progress goes on to stderr. */
async function printed(name: string, args: readonly string[]): Promise<string> {
  const file = fileURLToPath(new URL(`./${name}.js`, import.meta.url));
  const bench = spawn(process.execPath, [file, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  bench.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  const [code] = (await once(bench, 'close')) as [number | null];
  if (code !== 0) throw new Error(`the bench ${name} ended with ${code}`);
  return text;
}
