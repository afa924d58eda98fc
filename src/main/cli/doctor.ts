/** `keeperlog doctor`: checks the machine and the store, and says what to change. Each check is a file in `doctor/`. */
import type { Command } from 'commander';
import { interruptible, makeCommand, onRun } from './command.js';
import { ClockWatch } from './doctor/clock.js';
import { checkFileSystem } from './doctor/file-system.js';
import type { Finding, Level } from './doctor/finding.js';
import { checkLimits } from './doctor/limits.js';
import { checkLocking } from './doctor/locking.js';
import { checkMachine } from './doctor/machine.js';
import { findPlace } from './doctor/place.js';
import { inScratch } from './doctor/scratch.js';
import { checkStore } from './doctor/store.js';
import { checkSyncLatency } from './doctor/sync-latency.js';
import { EXIT, Refusal } from './failure.js';
import { data, paint, printable, toJson } from './output.js';

const COLORS: Readonly<Record<Level, number>> = { ok: 32, warning: 33, problem: 31 };

export function doctorCommand(): Command {
  const command = makeCommand('doctor', 'Check the machine and the store, and say what to change.', [
    ['keeperlog doctor', 'of ./data, or of where it would be made'],
    ['keeperlog doctor --dir ./data', 'of another directory, also beside a live writer'],
    ['keeperlog doctor --json', 'the findings as JSON'],
  ]).addHelpText(
    'after',
    `
Exits with 0 if there is no problem (warnings do not count), 1 if there is one, 5 if the store is damaged.`,
  );
  return onRun(command, async ({ dir, json }) => {
    const signal = interruptible('doctor');
    const { isThere, findings } = await examine(dir, signal);
    const count = (level: Level): number => findings.filter((finding) => finding.level === level).length;
    const [warnings, problems] = [count('warning'), count('problem')];
    await data(
      json === true
        ? toJson({ ok: problems === 0, dir, store: isThere, warnings, problems, findings })
        : findingsText(findings, warnings, problems),
    );
    if (findings.some(({ corrupt }) => corrupt === true)) {
      throw new Refusal(EXIT.corrupt, 'the store is damaged', 'verify --deep', { code: 'ERR_CORRUPT' });
    }
    if (problems > 0) {
      const names = findings.filter(({ level }) => level === 'problem').map(({ check }) => check);
      throw new Refusal(EXIT.failed, `there is something to change: ${names.join(', ')}`, 'doctor', { checks: names });
    }
  });
}

async function examine(dir: string, signal: AbortSignal): Promise<{ isThere: boolean; findings: readonly Finding[] }> {
  const watch = new ClockWatch();
  const place = findPlace(dir);
  const machine = [...checkMachine(), ...checkLimits()];
  if (place.existing === undefined) {
    return { isThere: false, findings: [...machine, await watch.finding(signal), place.finding] };
  }
  const disk = [
    ...checkFileSystem(place.existing),
    ...(await inScratch(place.existing, async (scratch) => [
      await checkSyncLatency(scratch, signal),
      checkLocking(scratch),
    ])),
  ];
  const clock = await watch.finding(signal);
  const { isThere, findings } = await checkStore(dir, signal);
  return { isThere, findings: [...machine, clock, place.finding, ...disk, ...findings] };
}

function findingsText(findings: readonly Finding[], warnings: number, problems: number): string {
  const width = Math.max(...findings.map(({ check }) => check.length));
  const lines = findings.flatMap(({ check, level, value, advice }) => [
    `${paint(process.stdout, COLORS[level], level.padEnd(7))}  ${check.padEnd(width)}  ${printable(value)}`,
    ...(advice === '' ? [] : [`${' '.repeat(width + 11)}${printable(advice)}`]),
  ]);
  return [...lines, '', `${counted(problems, 'problem')}, ${counted(warnings, 'warning')}`].join('\n');
}

function counted(count: number, what: string): string {
  return `${count === 0 ? 'no' : count} ${what}${count === 1 ? '' : 's'}`;
}
