/** `keeperlog compact`: segments are written anew without deleted events. */
import type { Command } from 'commander';
import type { CompactReport } from '../index.js';
import { interruptible, makeCommand, onRun, withStore } from './command.js';
import { bytesText, countText, data, toJson } from './output.js';
import { progressLine } from './progress-line.js';

export function compactCommand(): Command {
  const command = makeCommand('compact', 'Free the space of deleted events. Everything else stays as it is.', [
    ['keeperlog compact', 'the store must be open for writing nowhere else'],
    ['keeperlog --dir ./data compact', 'of the store in this directory'],
    ['keeperlog compact --json', 'what was removed, and what is left, as JSON'],
  ]);
  return onRun(command, async ({ dir, json }) => {
    const signal = interruptible('compact', 'segments that were written anew stay so');
    // Opening for writing would make a store where there is none.
    await withStore({ dir, readOnly: true }, async () => {});
    const report = await withStore({ dir }, async (store) => {
      const line = await progressLine('compact', 0);
      try {
        return await store.compact({
          signal,
          onProgress: ({ segments, events }) =>
            line.update(0, `${countText(segments)} segments, ${countText(events)} events removed`),
        });
      } finally {
        line.stop();
      }
    });
    await data(json === true ? toJson(report) : compactText(report));
  });
}

function compactText({ segments, events, freedBytes, later }: CompactReport): string {
  const { keys, unsealed } = later;
  const counted = (count: number, what: string): string => `${countText(count)} ${what}${count === 1 ? '' : 's'}`;
  const done =
    segments === 0
      ? 'nothing to remove'
      : `removed ${counted(events, 'event')} of ${counted(segments, 'segment')}: ${bytesText(freedBytes)} are free`;
  const left = [
    ...(unsealed > 0
      ? [`${counted(unsealed, 'deleted event')} in the newest segment, as there is no space for another: later`]
      : []),
    ...(keys > 0 ? [`${counted(keys, 'deleted event')} whose idempotency keys are still known: later`] : []),
  ];
  return [done, ...left].join('\n');
}
