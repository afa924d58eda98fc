/** `keeperlog restore`: makes the store of a backup again. */
import type { Command } from 'commander';
import type { RestoreReport } from '../index.js';
import { copyText } from './backup.js';
import { interruptible, makeCommand, onRun } from './command.js';
import { quote } from './failure.js';
import { bytesText, countText, data, toJson } from './output.js';
import { progressLine } from './progress-line.js';

export function restoreCommand(): Command {
  const command = makeCommand('restore', 'Make the store of a backup again, in the directory that --dir names.', [
    ['keeperlog backup ./backup && keeperlog restore ./backup --dir ./restored', 'which is missing or empty'],
    ['keeperlog restore ./backup --dir ./scratch && keeperlog verify --deep --dir ./scratch', 'to try a backup'],
    ['keeperlog restore ./backup --dir ./another --json', 'what was restored, as JSON'],
  ]).argument('<dir>', 'the directory of the backup');
  return onRun(command, async ({ dir, json }, from) => {
    const signal = interruptible(`restore ${quote(from)}`, 'nothing was restored');
    const { restoreStore } = await import('../index.js');
    const line = await progressLine('restore', 0);
    let report: RestoreReport;
    try {
      report = await restoreStore(from, dir, { signal, onProgress: (progress) => line.update(0, copyText(progress)) });
    } finally {
      line.stop();
    }
    await data(json === true ? toJson(report) : restoreText(report, dir));
  });
}

function restoreText({ lastSequence, segments, bytes }: RestoreReport, dir: string): string {
  const size = `${countText(segments)} segment${segments === 1 ? '' : 's'}, ${bytesText(bytes)}`;
  return `restored into ${dir}: ${lastSequence === 0 ? 'no events' : `events up to ${lastSequence}`} in ${size}`;
}
