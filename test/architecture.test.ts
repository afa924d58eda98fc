/** The directions of the layout: who may import whom, no circles, and nothing that nobody reaches. */
import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

const SRC = path.resolve(import.meta.dirname, '../src');

const ENTRIES = [
  'main/index.ts',
  'main/cli/keeperlog.ts',
  'workers/writer/thread.ts',
  'workers/background/thread.ts',
] as const;

/** Rooms, the longest prefix first, and the rooms that each may import from. Every room may import from itself. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  'shared/portable/': [],
  'shared/': ['shared/portable/'],
  'workers/writer/': ['shared/', 'shared/portable/'],
  'workers/background/': ['shared/', 'shared/portable/'],
  // Accepting fills the readers' cache and replays what they read.
  'main/append/': ['main/read/', 'shared/', 'shared/portable/'],
  'main/read/': ['shared/', 'shared/portable/'],
  'main/cli/': ['main/', 'main/append/', 'shared/', 'shared/portable/'],
  'main/': ['main/append/', 'main/read/', 'shared/', 'shared/portable/'],
};

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

function sources(): string[] {
  return fs
    .readdirSync(SRC, { recursive: true, encoding: 'utf8' })
    .map((file) => file.split(path.sep).join('/'))
    .filter((file) => file.endsWith('.ts'));
}

/** What a file imports: its own files by path, all others by name. */
function importsOf(file: string): Import[] {
  const text = fs.readFileSync(path.join(SRC, file), 'utf8');
  const found: Import[] = [];
  const statement =
    /^(?:import|export)\s+(type\s)?[^;]*?from\s+'([^']+)';|\bimport\('([^']+)'\)|new URL\('([^']+\.js)'/gms;
  for (const [, typeOnly, named, lazy, url] of text.matchAll(statement)) {
    const target = named ?? lazy ?? url!;
    const to = target.startsWith('.')
      ? path.posix.join(path.posix.dirname(file), target).replace(/\.js$/, '.ts')
      : target;
    // A thread is reached by its URL, which is not an import.
    if (url === undefined || to.startsWith('workers/'))
      found.push({ from: file, to, typeOnly: typeOnly !== undefined });
  }
  return found;
}

function roomOf(file: string): string {
  return Object.keys(MAY_IMPORT)
    .filter((room) => file.startsWith(room))
    .reduce((longest, room) => (room.length > longest.length ? room : longest), '');
}

const files = sources();
const imports = files.flatMap(importsOf);
const own = imports.filter(({ to }) => files.includes(to));

test('every file imports only from where its room may', () => {
  const wrong = own
    .filter(({ to }) => !to.endsWith('/thread.ts'))
    .filter(({ from, to }) => roomOf(from) !== roomOf(to) && !MAY_IMPORT[roomOf(from)]?.includes(roomOf(to)));
  expect(wrong.map(({ from, to }) => `${from} -> ${to}`)).toEqual([]);
});

test('the portable part imports nothing of Node and nothing outside of itself', () => {
  const wrong = imports.filter(
    ({ from, to }) => from.startsWith('shared/portable/') && !to.startsWith('shared/portable/'),
  );
  expect(wrong).toEqual([]);
});

test('the core does not load the command line’s packages', () => {
  const packages = ['commander', 'cli-progress'];
  const wrong = imports.filter(({ from, to }) => packages.includes(to) && !from.startsWith('main/cli/'));
  expect(wrong).toEqual([]);
});

test('no imports run in a circle', () => {
  const circles: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, trail: readonly string[]): void => {
    if (trail.includes(file)) {
      circles.push([...trail.slice(trail.indexOf(file)), file].join(' -> '));
      return;
    }
    if (done.has(file)) return;
    for (const { from, to } of own) if (from === file && !to.endsWith('/thread.ts')) visit(to, [...trail, file]);
    done.add(file);
  };
  for (const file of files) visit(file, []);
  expect(circles).toEqual([]);
});

test('every file is reached from an entry', () => {
  const reached = new Set<string>();
  const visit = (file: string): void => {
    if (reached.has(file)) return;
    reached.add(file);
    for (const { from, to } of own) if (from === file) visit(to);
  };
  for (const entry of ENTRIES) visit(entry);
  expect(files.filter((file) => !reached.has(file))).toEqual([]);
});
