/** Sweeps of a fault over the system calls of one command of a program: which calls there are, and a run with the fault at one of them. */
import fs from 'node:fs';
import path from 'node:path';
import { expect } from 'vitest';
import { progress } from '../support/effort.js';
import { Program, type ToldError, temporaryDir } from './kit.js';
import type { Told } from './oracle.js';

/** The system calls at which faults are met. */
export const CALLS = [
  'openat',
  'pread64',
  'pwrite64',
  'pwritev',
  'fdatasync',
  'fsync',
  'ftruncate',
  'rename',
  'unlink',
  'mkdir',
  'rmdir',
] as const;

/** A command, and the files on which its calls are met. */
export interface Swept<Group extends string> {
  /** A store to begin with; each run has a copy of it. */
  readonly base: string;
  /** Of the program, with its arguments but for `dir`. */
  readonly command: string;
  readonly args: object;
  readonly groups: readonly Group[];
  /** Paths of the files of a kind. */
  filesOf(dir: string, group: Group): readonly string[];
}

/** One place for a fault: the n-th call of a kind by a thread on files of a kind. */
export interface CommandPlace<Group extends string> {
  readonly group: Group;
  readonly call: (typeof CALLS)[number];
  readonly when: number;
  /** How many such calls the run without a fault had. */
  readonly of: number;
}

/** A run, and whether the fault was met. */
export interface Ran {
  readonly dir: string;
  readonly hit: boolean;
  readonly told: readonly Told[];
  /** What the command has returned, or the error that it had. */
  readonly said: any;
  readonly error?: ToldError;
}

/** A file, and its temporary one. */
export function withTemporary(dir: string, name: string): string[] {
  return [name, `${name}.tmp`].map((file) => path.join(dir, file));
}

/** Every place at which a command can be met, found by a run without a fault, of which the directory is returned as well. */
export async function findPlaces<Group extends string>(
  swept: Swept<Group>,
): Promise<{ places: CommandPlace<Group>[]; ran: Ran }> {
  const { groups, filesOf } = swept;
  const ran = await run(swept, groups, ['-e', `trace=${CALLS.join(',')}`]);
  if (ran.error !== undefined) throw ran.error;
  const most = mostByOneThread(fs.readFileSync(`${ran.dir}.strace`, 'utf8'), (line) =>
    groups.find((group) => names(line, filesOf(ran.dir, group))),
  );
  const places = [...most].flatMap(([key, count]) => {
    const [group, call] = key.split(' ') as [Group, CommandPlace<Group>['call']];
    return Array.from({ length: count }, (_, i) => ({ group, call, when: i + 1, of: count }));
  });
  return { places, ran };
}

/** Run a command with a fault at one place: a part of `inject` as strace takes it. */
export function runAt<Group extends string>(
  swept: Swept<Group>,
  { group, call, when }: CommandPlace<Group>,
  fault: string,
): Promise<Ran> {
  return run(swept, [group], ['-e', `trace=${call}`, '-e', `inject=${call}:${fault}:when=${when}`]);
}

/** A place, and a fault to be met there: a part of `inject` as strace takes it. */
export interface Trial<Group extends string> {
  readonly place: CommandPlace<Group>;
  readonly fault: string;
}

/**
 * Run a command with each fault at its place, and look at what is left; all of them, though something is wrong with some. Returns how
 * many faults were met: the last calls of a kind may be fewer in a run whose threads come to work in another order.
 */
export async function tryAll<Group extends string>(
  swept: Swept<Group>,
  trials: readonly Trial<Group>[],
  check: (ran: Ran, place: CommandPlace<Group>) => Promise<void>,
): Promise<number> {
  let met = 0;
  const failures: string[] = [];
  for (const { place, fault } of trials) {
    const where = `${fault} at ${place.call} ${place.when} of the ${place.group}`;
    const ran = await runAt(swept, place, fault);
    if (ran.hit) met++;
    progress(`${where}${ran.hit ? '' : ': not met'}`);
    try {
      await check(ran, place);
      fs.rmSync(ran.dir, { recursive: true });
    } catch (error) {
      const failure = `${where}: ${(error as Error).message}`;
      progress(failure);
      failures.push(failure);
    }
  }
  if (failures.length > 0) throw new Error(failures.join('\n\n'));
  expect(met).toBeGreaterThanOrEqual(trials.length * 0.7);
  return met;
}

/** The last that was told of a step. */
export function toldOf(told: readonly Told[], call: string): Told | undefined {
  return told.findLast((one) => one.call === call);
}

async function run<Group extends string>(
  { base, command, args, filesOf }: Swept<Group>,
  groups: readonly Group[],
  traced: readonly string[],
): Promise<Ran> {
  const dir = temporaryDir();
  fs.cpSync(base, dir, { recursive: true });
  const log = `${dir}.strace`;
  const paths = groups.flatMap((group) => filesOf(dir, group)).flatMap((file) => ['-P', file]);
  const program = new Program({ strace: ['-y', '-o', log, ...paths, ...traced] });
  const [said, error] = await program.call(command, { ...args, dir }).then(
    (result) => [result, undefined],
    (failed: ToldError) => [undefined, failed],
  );
  await program.kill();
  const hit = error?.message.includes('SIGKILL') === true || fs.readFileSync(log, 'utf8').includes('(INJECTED)');
  return { dir, hit, said, told: program.told, ...(error !== undefined && { error }) };
}

/** Whether a line of strace is of a call on one of some files. */
export function names(line: string, files: readonly string[]): boolean {
  return files.some((file) => line.includes(`<${file}>`) || line.includes(`"${file}"`));
}

/** How often one thread makes a call on files of a kind at most, by kind and call. */
export function mostByOneThread(log: string, groupOf: (line: string) => string | undefined): Map<string, number> {
  const counts = new Map<string, number>();
  const most = new Map<string, number>();
  for (const line of log.split('\n')) {
    const [, thread, call] = /^(\d+) +(\w+)\(/.exec(line) ?? [];
    const group = groupOf(line);
    if (thread === undefined || group === undefined) continue;
    const count = (counts.get(`${thread} ${group} ${call}`) ?? 0) + 1;
    counts.set(`${thread} ${group} ${call}`, count);
    most.set(`${group} ${call}`, Math.max(count, most.get(`${group} ${call}`) ?? 0));
  }
  return most;
}
