/** `keeperlog verify`: reads the whole log back and checks it. */
import path from 'node:path';
import type { Command } from 'commander';
import { indexNumber, KEY_FILE } from '../../shared/format/file-names.js';
import type { VerifyReport } from '../index.js';
import { interruptible, makeCommand, onRun, withStore } from './command.js';
import { EXIT, Refusal } from './failure.js';
import { bytesText, countText, data, printable, rangeText, toJson } from './output.js';
import { progressLine } from './progress-line.js';

export function verifyCommand(): Command {
  const command = makeCommand('verify', 'Read the whole log back and check it. Exits with 5 if something is wrong.', [
    ['keeperlog verify', 'checksums, order, and that nothing is missing'],
    ['keeperlog verify --deep', 'also payloads, revisions, and the tree that was signed'],
    ['keeperlog verify --json', 'the report as JSON'],
  ]).option('--deep', 'also decode every payload, check revisions, and compare with what was signed');
  return onRun<{ deep?: true }>(command, async ({ dir, json, deep }) => {
    const signal = interruptible('verify');
    const report = await withStore({ dir, readOnly: true }, async (store) => {
      const line = await progressLine('verify', store.stats().bytes);
      try {
        return await store.verify({
          deep: deep === true,
          signal,
          onProgress: ({ bytes, events }) => line.update(bytes, `${countText(events)} events`),
        });
      } finally {
        line.stop();
      }
    });
    await data(json === true ? toJson(report) : verifyText(report));
    if (report.ok) return;
    throw new Refusal(EXIT.corrupt, ...verdict(report), { code: 'ERR_CORRUPT' });
  });
}

/** What is wrong as a whole, and the next command. */
function verdict({ problems }: VerifyReport): [what: string, next: string] {
  const found = `${problems.length} problem${problems.length === 1 ? '' : 's'}`;
  const names = problems.map(({ file }) => path.basename(file));
  const areIndexes = names.every((name) => indexNumber(name) !== undefined);
  if (areIndexes)
    return [`the log verifies, and nothing is lost: ${found} of index files, which can be made again`, 'seal'];
  const isLogWhole = names.every((name) => name === KEY_FILE || indexNumber(name) !== undefined);
  if (isLogWhole) return [`the log verifies; ${found} beside it, each with what to do`, 'prove --help'];
  const what = `the log does not verify: ${found}; keep a copy of the directory before anything else`;
  return [what, 'repair --dry-run'];
}

export function verifyText({ ok, segments, events, bytes, holes, problems }: VerifyReport): string {
  const summary = `${ok ? 'ok' : 'NOT OK'}: ${countText(events)} events, ${segments} segments, ${bytesText(bytes)}`;
  const lines = problems.map(({ code, message, file, offset }) =>
    printable(`${code} ${file}${offset === undefined ? '' : ` at ${offset}`}: ${message}`),
  );
  const given = holes.map((hole) => `a repair gave up ${rangeText(hole)}`);
  return [summary, ...given, ...lines].join('\n');
}
