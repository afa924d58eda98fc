/** `keeperlog prune`: the oldest sealed segments go, for good, until the log is within its limits. */
import type { Command } from 'commander';
import type { PruneReport, RetentionOptions } from '../index.js';
import { parseBytes, parseDuration } from './amounts.js';
import { interruptible, makeCommand, onRun, withStore } from './command.js';
import { EXIT, Refusal } from './failure.js';
import { bytesText, countText, data, toJson } from './output.js';
import { progressLine } from './progress-line.js';

interface Limits {
  readonly maxAge?: number;
  readonly maxBytes?: number;
}

export function pruneCommand(): Command {
  const command = makeCommand(
    'prune',
    'Remove the oldest events for good, in whole segments, until within the limits.',
    [
      ['keeperlog prune --max-age 30d', 'segments whose newest event is older than 30 days'],
      ['keeperlog prune --max-bytes 10G', 'the oldest segments, until the log takes 10 GiB'],
      ['keeperlog prune --max-age 30d --max-bytes 10G --json', 'whichever asks for more; what is gone, as JSON'],
    ],
  )
    .option('--max-age <duration>', 'keep what is not older: 90s, 15m, 12h, 30d', parseDuration)
    .option('--max-bytes <size>', 'keep the newest, up to so much: 64K, 500M, 10G', parseBytes);
  return onRun<Limits>(command, async ({ dir, json, maxAge, maxBytes }) => {
    if (maxAge === undefined && maxBytes === undefined) {
      throw new Refusal(EXIT.usage, 'give --max-age, --max-bytes, or both', 'prune --help');
    }
    const limits: RetentionOptions = {
      ...(maxAge !== undefined && { maxAgeMs: maxAge }),
      ...(maxBytes !== undefined && { maxBytes }),
    };
    const signal = interruptible('prune', 'segments that were removed are gone');
    // Opening for writing would make a store where there is none.
    await withStore({ dir, readOnly: true }, async () => {});
    const report = await withStore({ dir }, async (store) => {
      const line = await progressLine('prune', 0);
      try {
        return await store.prune(limits, {
          signal,
          onProgress: ({ segments, bytes }) =>
            line.update(0, `${countText(segments)} segments, ${bytesText(bytes)} removed`),
        });
      } finally {
        line.stop();
      }
    });
    await data(json === true ? toJson(report) : pruneText(report));
  });
}

const LEFT = {
  unsealed: 'more is over the limits, and stays: it is in the newest segment, or in one that is not sealed',
  'being-read': 'more is over the limits, and stays: it is being read',
} as const;

function pruneText({ floor, segments, bytes, left, clockDoubted }: PruneReport): string {
  const done =
    segments === 0
      ? 'nothing to remove'
      : `removed ${countText(segments)} segment${segments === 1 ? '' : 's'}, ${bytesText(bytes)}: the log begins at sequence ${floor}`;
  return [
    done,
    ...(left === null ? [] : [LEFT[left]]),
    ...(clockDoubted ? ['age was not looked at: the wall clock is behind the newest event, or has jumped'] : []),
  ].join('\n');
}
