/** Sweeps of a fault over every system call of a workload: which calls there are, and one run with the fault at one of them. */
import fs from 'node:fs';
import path from 'node:path';
import { expect } from 'vitest';
import { Program, segmentPath, temporaryDir } from './kit.js';
import type { Told } from './oracle.js';
import { CALLS, mostByOneThread, names, withTemporary } from './places.js';

/** Kinds of files of a store, each with the system calls that its program makes on them. `when` counts them by thread. */
export const GROUPS = ['segments', 'watermark', 'manifest', 'heads', 'directory'] as const;
export type Group = (typeof GROUPS)[number];

/** More segments than the workload fills. */
const SEGMENTS = Array.from({ length: 24 }, (_, index) => index + 1);

export type Call = (typeof CALLS)[number];

/** One place for a fault: the n-th call of a kind by a thread on files of a kind, in a run that begins with a base. */
export interface Place {
  readonly group: Group;
  readonly call: Call;
  readonly when: number;
  /** How many such calls the run without a fault had. */
  readonly of: number;
  readonly base: Base;
}

/**
 * Whether every run comes there. How many calls of a kind there are depends on how the threads take turns: a checkpoint
 * that is due while another is being written is left out.
 */
export function isSure({ when, of }: Pick<Place, 'when' | 'of'>): boolean {
  return when <= Math.ceil(of / 2);
}

export function nameOf({ group, call, when, base }: Place): string {
  return `${call} ${when} of the ${group}, over a store that was ${base.end}`;
}

/** What every run does. */
const STEPS = (dir: string): object => ({ dir, run: 'run', seed: 2 });

function filesOf(dir: string, group: Group): string[] {
  if (group === 'directory') return [dir];
  if (group === 'segments') return SEGMENTS.map((number) => segmentPath(dir, number));
  return withTemporary(dir, `keeperlog.${group}`);
}

/** A store over several segments for the workload to begin with, and the record that belongs to it. */
export interface Base {
  readonly end: 'killed' | 'closed';
  readonly dir: string;
  readonly told: readonly Told[];
}

/** One whose writer was closed, or killed: then opening it has to recover. */
export async function makeBase(end: Base['end']): Promise<Base> {
  const dir = temporaryDir();
  const program = new Program();
  await program.call('steps', { dir, run: 'base' });
  const told = [...program.told];
  if (end === 'killed') {
    await program.call('open', { dir, segmentBytes: 65_536 });
    const events = { type: 'work.done', data: { call: 'last', place: 0, size: 1, pad: 'x'.repeat(3000) } };
    const { ids } = await program.call('append', { stream: 'one', events });
    told.push({ call: 'last', outcome: 'acknowledged', ids });
  }
  await program.kill();
  // As old as it may be, so that recovery has frames to write again.
  if (end === 'killed') fs.rmSync(path.join(dir, 'keeperlog.watermark'));
  return { end, dir, told };
}

export interface Run {
  readonly dir: string;
  /** Of the base and the run. */
  readonly told: readonly Told[];
  /** Of the run alone. */
  readonly ofRun: readonly Told[];
  /** The lines of the system calls that failed by the fault. */
  readonly hits: readonly string[];
  /** Whether the fault has killed the program. */
  readonly killed: boolean;
}

/** Run the workload over a copy of a store, with faults at one place: parts of `inject` as strace takes them. */
export async function runWithFault(place: Place, fault: string): Promise<Run> {
  const { dir, filter } = copyOf(place.base, [place.group], [place.call]);
  const log = `${dir}.strace`;
  const inject = `inject=${place.call}:${fault}:when=${place.when}`;
  const program = new Program({ strace: ['-y', '-o', log, ...filter, '-e', inject] });
  let killed = false;
  await program.call('steps', STEPS(dir)).catch((error) => {
    // Killed by the fault, what it told counts.
    killed = error.message.startsWith('the program has ended with SIGKILL');
    if (!killed) throw error;
  });
  await program.kill();
  const hits = fs
    .readFileSync(log, 'utf8')
    .split('\n')
    .filter((line) => line.includes('(INJECTED)'));
  return { dir, told: [...place.base.told, ...program.told], ofRun: program.told, hits, killed };
}

/** Every place at which the workload can be met, found by a run without a fault. */
export async function placesOf(base: Base): Promise<Place[]> {
  const { dir, filter } = copyOf(base, GROUPS, CALLS);
  const log = `${dir}.strace`;
  const program = new Program({ strace: ['-y', '-o', log, ...filter] });
  await program.call('steps', STEPS(dir));
  await program.kill();
  for (const told of program.told) expect(told).toMatchObject(told.shown ? {} : { outcome: 'acknowledged' });
  const places: Place[] = [];
  const groupOf = (line: string): Group | undefined => GROUPS.find((kind) => names(line, filesOf(dir, kind)));
  for (const [key, most] of mostByOneThread(fs.readFileSync(log, 'utf8'), groupOf)) {
    const [group, call] = key.split(' ') as [Group, Call];
    for (let when = 1; when <= most; when++) places.push({ group, call, when, of: most, base });
  }
  return places.sort((a, b) => GROUPS.indexOf(a.group) - GROUPS.indexOf(b.group));
}

/** So many of a list, spread over it. */
export function spread<T>(list: readonly T[], count: number): T[] {
  if (list.length <= count) return [...list];
  return Array.from({ length: count }, (_, i) => list[Math.floor(((i + 0.5) * list.length) / count)]!);
}

function copyOf(base: Base, groups: readonly Group[], calls: readonly Call[]): { dir: string; filter: string[] } {
  const dir = temporaryDir();
  fs.cpSync(base.dir, dir, { recursive: true });
  const paths = groups.flatMap((group) => filesOf(dir, group)).flatMap((file) => ['-P', file]);
  return { dir, filter: [...paths, '-e', `trace=${calls.join(',')}`] };
}
