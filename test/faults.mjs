/**
 * The long form of the proofs: every test of crashes, faults, damage, models and fuzz with all of its cases, with progress,
 * and a table of what was tried at the end.
 *
 *     npm run test:faults [-- PATH ...]     the paths of some of the tests instead of all
 *
 * FAULTS_SEED=N begins every random choice elsewhere.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where there are tests with a long form. */
const PARTS = [
  'test/audit',
  'test/backup',
  'test/compaction',
  'test/crash',
  'test/faults',
  'test/format',
  'test/fuzz',
  'test/index',
  'test/model',
  'test/query',
  'test/repair',
  'test/ring',
  'test/seal',
  'test/soak',
];

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'keeperlog-faults-tally-'));
const tallyFile = path.join(scratch, 'tally.jsonl');
fs.writeFileSync(tallyFile, '');
const seed = process.env.FAULTS_SEED ?? '1';
const vitest = fileURLToPath(new URL('../node_modules/vitest/vitest.mjs', import.meta.url));
const paths = process.argv.length > 2 ? process.argv.slice(2) : PARTS;
const began = Date.now();
const run = spawn(process.execPath, [vitest, 'run', ...paths], {
  stdio: 'inherit',
  env: { ...process.env, FAULTS: 'long', FAULTS_SEED: seed, FAULTS_TALLY: tallyFile },
});
const [code, signal] = await once(run, 'close');
printTable();
fs.rmSync(scratch, { recursive: true });
process.exitCode = code ?? 128 + os.constants.signals[signal];

function printTable() {
  const counts = new Map();
  for (const line of fs.readFileSync(tallyFile, 'utf8').split('\n').filter(Boolean)) {
    const { part, what, count } = JSON.parse(line);
    const key = `| ${part} | ${what} |`;
    counts.set(key, (counts.get(key) ?? 0) + count);
  }
  const minutes = ((Date.now() - began) / 60_000).toFixed(1);
  const rows = [...counts].sort().map(([key, count]) => `${key} ${count.toLocaleString('en')} |`);
  const table = ['| part | what | tried |', '| --- | --- | ---: |', ...rows];
  console.log(`\nSeed ${seed}, ${minutes} minutes, Node ${process.version}:\n\n${table.join('\n')}\n`);
}
