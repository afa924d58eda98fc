/** `keeperlog ingest`: JSON lines into a store. What it remembers, and how a second run goes on: `ingest/ingestion.ts`. */
import fs from 'node:fs';
import path from 'node:path';
import { createHistogram } from 'node:perf_hooks';
import type { Command } from 'commander';
import { integerFrom, interrupted, interruptible, makeCommand, onRun, withStore } from './command.js';
import { EXIT, quote, Refusal } from './failure.js';
import type { Ingestion, SourceReport } from './ingest/ingestion.js';
import { groupCommitsSince, groupCommitsText, latencyOf, latencyText } from './load.js';
import { countText, data, table, toJson } from './output.js';
import { progressLine } from './progress-line.js';

/** Read from a file at once. Unit: bytes. */
const CHUNK_BYTES = 1024 * 1024;

interface Options {
  readonly name?: string;
  readonly rate?: number;
  readonly batch: number;
}

export function ingestCommand(): Command {
  const command = makeCommand(
    'ingest',
    'Append the events of JSON lines. A second run goes on where the first one ended.',
    [
      [`echo '{"stream":"a","type":"Noted","data":1}' | keeperlog ingest -`, 'from another program'],
      ['keeperlog ingest events.jsonl', 'a file; run again, it adds only what is new in it'],
      ['keeperlog ingest events.jsonl --rate 1000 --batch 50', 'at a steady rate'],
    ],
  )
    .argument('<file...>', 'files of JSON lines, or - for stdin')
    .option('--name <name>', 'remember the progress under this name, not the path of the file (stdin: "stdin")')
    .option('--rate <events>', 'events a second; latency then counts from when each was due', integerFrom(1))
    .option('--batch <events>', 'at most so many in one atomic append', integerFrom(1), 250)
    .addHelpText(
      'after',
      `
A line: {"stream": "...", "type": "...", "data": ..., "metadata": {...}, "tags": [...], "cause": ...,
         "schemaVersion": 1, "idempotencyKey": "..."}
"cause" is the zero-based number of an earlier line of the file, the id of an event, or null.`,
    );
  return onRun<Options>(command, async (options, ...words) => {
    const files = words.flat();
    const { dir, json, name, rate, batch } = options;
    if (name !== undefined && files.length > 1) {
      throw new Refusal(EXIT.usage, '--name goes with a single file', 'ingest --help');
    }
    if (batch > 999) throw new Refusal(EXIT.usage, '--batch is at most 999', 'ingest --help');
    for (const file of files) checkReadable(file);
    const { Ingestion } = await import('./ingest/ingestion.js');
    const again = `ingest ${files.map(quote).join(' ')}${name === undefined ? '' : ` --name ${quote(name)}`}`;
    const signal = interruptible(again);
    const latency = createHistogram();
    const report = await withStore({ dir, signal }, async (store) => {
      const before = store.stats();
      const startMs = performance.now();
      const sources: SourceReport[] = [];
      for (const file of files) {
        const ingestion = new Ingestion({
          store,
          name: name ?? (file === '-' ? 'stdin' : fs.realpathSync(file)),
          label: file === '-' ? 'stdin' : file,
          rate,
          maxEvents: batch,
          latency,
          signal,
        });
        sources.push(await ingestOne(ingestion, file, signal));
        if (signal.aborted) break;
      }
      const seconds = (performance.now() - startMs) / 1000;
      return {
        sources,
        seconds,
        latency: latencyOf(latency),
        groupCommits: groupCommitsSince(before, store.stats()),
      };
    });
    await data(json === true ? toJson(report) : reportText(report));
    if (signal.aborted) throw interrupted('; what is committed stays', again);
  });
}

async function ingestOne(ingestion: Ingestion, file: string, signal: AbortSignal): Promise<SourceReport> {
  const input = file === '-' ? process.stdin : fs.createReadStream(file, { highWaterMark: CHUNK_BYTES });
  let stopped = false;
  const stop = (): void => {
    stopped = true;
    input.destroy();
  };
  ingestion.onFailed = stop;
  signal.addEventListener('abort', stop);
  const line = await progressLine(path.basename(file), file === '-' ? 0 : fs.statSync(file).size);
  const startMs = performance.now();
  ingestion.onCommitted = ({ offset, added }) => {
    const rate = (1000 * added) / (performance.now() - startMs);
    line.update(offset, `${countText(added)} events, ${countText(rate)}/s`);
  };
  const { LineReader } = await import('./ingest/lines.js');
  try {
    return await ingestion.run(new LineReader(input, () => stopped), file === '-');
  } finally {
    signal.removeEventListener('abort', stop);
    line.stop();
  }
}

function reportText(report: {
  sources: readonly SourceReport[];
  seconds: number;
  latency: ReturnType<typeof latencyOf>;
  groupCommits: ReturnType<typeof groupCommitsSince>;
}): string {
  const { sources, seconds, latency, groupCommits } = report;
  const added = sources.reduce((sum, source) => sum + source.added, 0);
  const rows = sources.map(({ name, resumedAt, line, added }): [string, string] => [
    'source',
    `${name}: ${countText(added)} events added, ${resumedAt > 0 ? `resumed at line ${resumedAt}, ` : ''}now at line ${line}`,
  ]);
  if (added === 0) return table([...rows, ['added', 'nothing new']]);
  return table([
    ...rows,
    ['added', `${countText(added)} events in ${seconds.toFixed(2)} s, ${countText(added / seconds)} events/s`],
    ['latency', latencyText(latency)],
    ['commits', groupCommitsText(groupCommits)],
  ]);
}

function checkReadable(file: string): void {
  if (file === '-') return;
  try {
    fs.accessSync(file, fs.constants.R_OK);
  } catch (error) {
    throw new Refusal(EXIT.failed, `${file} cannot be read: ${(error as Error).message}`, 'ingest --help', { file });
  }
  if (fs.statSync(file).isDirectory()) {
    throw new Refusal(EXIT.failed, `${file} is a directory`, `ingest ${quote(path.join(file, 'events.jsonl'))}`, {
      file,
    });
  }
}
