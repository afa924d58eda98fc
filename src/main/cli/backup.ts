/** `keeperlog backup`: copies the store, while it is written or not, into a directory of its own. */
import type { Command } from 'commander';
import type { BackupProgress, BackupReport } from '../index.js';
import { interruptible, makeCommand, onRun, withStore } from './command.js';
import { quote } from './failure.js';
import { bytesText, countText, data, toJson } from './output.js';
import { progressLine } from './progress-line.js';

export function backupCommand(): Command {
  const command = makeCommand(
    'backup',
    'Copy the store, also while it is written. Again, it copies what has changed.',
    [
      ['keeperlog backup ./backups/data', 'of the store in ./data; every night into the same directory'],
      ['keeperlog --dir ./data backup ./backups/data', 'of the store in this directory'],
      ['keeperlog backup ./backups/data --json', 'what was copied, as JSON'],
    ],
  ).argument('<dir>', 'the directory of the backup: missing, empty, or with a backup of this store');
  return onRun(command, async ({ dir, json }, to) => {
    const signal = interruptible(`backup ${quote(to)}`, 'the backup before this one is whole');
    const report = await withStore({ dir, readOnly: true }, async (store) => {
      const line = await progressLine('backup', 0);
      try {
        return await store.backup(to, { signal, onProgress: (progress) => line.update(0, copyText(progress)) });
      } finally {
        line.stop();
      }
    });
    await data(json === true ? toJson(report) : backupText(report));
  });
}

/** How far a backup, or a restore, is. */
export function copyText({ segments, totalSegments, bytes, totalBytes }: BackupProgress): string {
  const percent = totalBytes === 0 ? 100 : Math.min(100, Math.floor((100 * bytes) / totalBytes));
  return `${percent}% ${countText(segments)} of ${countText(totalSegments)} segments, ${bytesText(bytes)}`;
}

function backupText({ number, lastSequence, segments, reusedSegments, bytes, copiedBytes }: BackupReport): string {
  const size = `${countText(segments)} segment${segments === 1 ? '' : 's'}, ${bytesText(bytes)}`;
  const kept = reusedSegments === 0 ? '' : `, ${countText(reusedSegments)} kept`;
  const upTo = lastSequence === 0 ? 'no events' : `events up to ${lastSequence}`;
  return `backup ${number}: ${upTo} in ${size} (${bytesText(copiedBytes)} copied${kept})`;
}
