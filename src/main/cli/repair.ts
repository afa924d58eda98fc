/** `keeperlog repair`: puts together what is left of a damaged log, and says what is not. */
import type { Command } from 'commander';
import type { RepairReport } from '../index.js';
import { interruptible, makeCommand, onRun } from './command.js';
import { EXIT, Refusal } from './failure.js';
import { bytesText, countText, data, printable, rangeText, toJson } from './output.js';
import { progressLine } from './progress-line.js';

export function repairCommand(): Command {
  const command = makeCommand(
    'repair',
    'Put together what is left of a damaged log. Exits with 5 if anything is lost.',
    [
      ['keeperlog repair --dry-run', 'what would be kept and what would be lost'],
      ['keeperlog repair', 'do it; the files that it replaces stay beside the log'],
      ['keeperlog repair --json', 'what was done, as JSON'],
    ],
  )
    .option('--dry-run', 'only look, and report what would be done')
    .option('--node-id <id>', "the store's node id, where its manifest is lost: the third part of any event id");
  return onRun<{ dryRun?: true; nodeId?: string }>(command, async ({ dir, json, dryRun, nodeId }) => {
    const signal = interruptible('repair');
    const { repairStore } = await import('../index.js');
    const line = await progressLine('repair', 0);
    let report: RepairReport;
    try {
      report = await repairStore({
        dir,
        signal,
        dryRun: dryRun === true,
        ...(nodeId !== undefined && { nodeId }),
        onProgress: ({ segments, bytes }) => line.update(bytes, `${countText(segments)} segments, ${bytesText(bytes)}`),
      });
    } finally {
      line.stop();
    }
    await data(json === true ? toJson(report) : repairText(report));
    if (report.unrepaired.length > 0) {
      const what = `${report.unrepaired.join()} is not repaired: put it back from a backup`;
      throw new Refusal(EXIT.corrupt, what, 'verify', { code: 'ERR_CORRUPT' });
    }
    if (report.lost.length === 0) return;
    const lost = report.lost.reduce(
      (sum, { firstSequence, lastSequence }) => sum + lastSequence - firstSequence + 1,
      0,
    );
    const what = `${countText(lost)} event${lost === 1 ? '' : 's'} ${dryRun === true ? 'would be given up' : 'given up'}`;
    const next = dryRun === true ? 'repair' : 'verify --deep';
    throw new Refusal(EXIT.corrupt, what, next, { code: 'ERR_CORRUPT' });
  });
}

function repairText({ damaged, repaired, segments, rewritten, kept, salvaged, lost, problems }: RepairReport): string {
  const size = `${countText(segments)} segment${segments === 1 ? '' : 's'}`;
  if (!damaged) return `nothing to repair: ${size}`;
  const would = repaired ? '' : 'would be ';
  return [
    `${repaired ? 'repaired' : 'damaged'}: ${size}`,
    ...rewritten.map((file) => `${would}written anew: ${file}`),
    ...kept.map((file) => `kept: ${file}`),
    ...problems.map(({ file, message }) => `not repaired: ${file}: ${message}`),
    ...(salvaged > 0 ? [`${would}taken out of damaged groups: ${countText(salvaged)} events`] : []),
    ...lost.map((range) => `${would}given up: ${rangeText(range)}`),
  ]
    .map(printable)
    .join('\n');
}
