/** `keeperlog seal`: compresses full segments into files that are read back before they take the raw ones' place. */
import type { Command } from 'commander';
import type { SealReport } from '../index.js';
import { interruptible, makeCommand, onRun, withStore } from './command.js';
import { bytesText, countText, data, note, toJson } from './output.js';
import { progressLine } from './progress-line.js';

export function sealCommand(): Command {
  const command = makeCommand('seal', 'Digest, compress and index every full segment. The newest one is left.', [
    ['keeperlog seal', 'the store must be open for writing nowhere else'],
    ['keeperlog --dir ./data seal', 'of the store in this directory'],
    ['keeperlog seal --json', 'what was sealed, as JSON'],
  ]);
  return onRun(command, async ({ dir, json }) => {
    const signal = interruptible('seal', 'segments that were sealed stay so');
    // Opening for writing would make a store where there is none.
    const bytes = await withStore({ dir, readOnly: true }, async (store) => store.stats().bytes);
    const report = await withStore({ dir }, async (store) => {
      const line = await progressLine('seal', bytes);
      try {
        return await store.seal({
          signal,
          onProgress: ({ segments, rawBytes }) => line.update(rawBytes, `${countText(segments)} segments`),
        });
      } finally {
        line.stop();
      }
    });
    await data(json === true ? toJson(report) : sealText(report));
    const { indexesMissing: missing } = report;
    if (missing === 0) return;
    const what = `the index of ${countText(missing)} sealed segment${missing === 1 ? '' : 's'} could not be made: queries go on without it.`;
    note(`${what} Look at space and disk, as doctor does, and seal again.`);
  });
}

function sealText({ segments, rawBytes, fileBytes, indexBytes }: SealReport): string {
  const indexed = `${bytesText(indexBytes)} of index`;
  if (segments === 0) return indexBytes === 0 ? 'nothing to seal' : `nothing to seal; made ${indexed}`;
  const part = ((100 * fileBytes) / rawBytes).toFixed(1);
  const size = `${countText(segments)} segment${segments === 1 ? '' : 's'}`;
  return `sealed ${size}: ${bytesText(rawBytes)} of log in ${bytesText(fileBytes)} (${part} %), and ${indexed}`;
}
