/** What the source says about itself: who imports whom, what nobody reaches, what is too long. */
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';

const SRC = fileURLToPath(new URL('../src', import.meta.url));
const MAX_LINES = 300;

const THREADS = [
  'workers/writer/thread.ts',
  'workers/background/thread.ts',
  'workers/seal/thread.ts',
  'workers/backup/thread.ts',
];
const ENTRIES = ['main/index.ts', 'main/cli/keeperlog.ts', 'shared/portable/proof/index.ts', ...THREADS];

/** Rooms by their files, the narrowest first, and the rooms that each may import from, beside itself. */
const ROOMS: readonly { readonly name: string; readonly files: RegExp; readonly may: readonly string[] }[] = [
  { name: 'portable', files: /^shared\/portable\//, may: [] },
  { name: 'shared', files: /^shared\//, may: ['portable'] },
  { name: 'workers', files: /^workers\//, may: ['shared', 'portable'] },
  { name: 'cli', files: /^main\/cli\//, may: ['index', 'store', 'server', 'client', 'shared', 'portable'] },
  { name: 'server', files: /^main\/server\//, may: ['index', 'shared', 'portable'] },
  { name: 'client', files: /^main\/client\//, may: ['portable'] },
  { name: 'index', files: /^main\/index\.ts$/, may: ['store', 'seal', 'telemetry', 'shared', 'portable'] },
  { name: 'telemetry', files: /^main\/telemetry\//, may: ['shared', 'portable'] },
  { name: 'append', files: /^main\/append\//, may: ['telemetry', 'shared', 'portable'] },
  { name: 'read', files: /^main\/read\//, may: ['shared', 'portable'] },
  { name: 'repair', files: /^main\/repair\//, may: ['shared', 'portable'] },
  { name: 'seal', files: /^main\/seal\//, may: ['shared', 'portable'] },
  { name: 'live', files: /^main\/live\//, may: ['shared', 'portable'] },
  { name: 'health', files: /^main\/health\//, may: ['shared', 'portable'] },
  {
    name: 'store',
    files: /^main\/[^/]+\.ts$/,
    may: ['append', 'read', 'repair', 'seal', 'live', 'health', 'telemetry', 'shared', 'portable'],
  },
];

interface Import {
  readonly from: string;
  /** A file of the source, or the name of a package or built-in module. */
  readonly to: string;
  readonly own: boolean;
}

const files = fs
  .readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.split(path.sep).join('/'))
  .sort();

function importsOf(file: string): Import[] {
  const text = fs.readFileSync(path.join(SRC, file), 'utf8');
  const { importedFiles } = ts.preProcessFile(text, true, true);
  return importedFiles.map(({ fileName }) => {
    const own = fileName.startsWith('.');
    const target = path.posix.join(path.posix.dirname(file), fileName).replace(/\.js$/, '.ts');
    return { from: file, to: own ? target : fileName, own };
  });
}

const imports = files.flatMap(importsOf);
const own = imports.filter((edge) => edge.own);

function roomOf(file: string): (typeof ROOMS)[number] {
  const room = ROOMS.find((room) => room.files.test(file));
  if (room === undefined) throw new Error(`${file} stands in no room`);
  return room;
}

/** The shortest circle through a file, or undefined. */
function circleThrough(start: string): string[] | undefined {
  const paths: string[][] = [[start]];
  const seen = new Set<string>();
  for (let next = paths.shift(); next !== undefined; next = paths.shift()) {
    for (const { to } of own.filter(({ from }) => from === next.at(-1))) {
      if (to === start) return [...next, to];
      if (seen.has(to)) continue;
      seen.add(to);
      paths.push([...next, to]);
    }
  }
  return undefined;
}

describe('the source', () => {
  test('imports only files that are there', () => {
    expect(own.filter(({ to }) => !files.includes(to))).toEqual([]);
  });

  test('imports only in the allowed directions', () => {
    const wrong = own
      .filter(({ from, to }) => roomOf(from) !== roomOf(to) && !roomOf(from).may.includes(roomOf(to).name))
      .map(({ from, to }) => `${from} -> ${to}`);
    expect(wrong).toEqual([]);
  });

  test('imports nothing in a circle, types included', () => {
    expect(files.map(circleThrough).filter((circle) => circle !== undefined)).toEqual([]);
  });

  test('reaches threads from the main thread by URL alone', () => {
    const text = fs.readFileSync(path.join(SRC, 'main/runtime.ts'), 'utf8');
    const urls = [...text.matchAll(/new URL\('([^']+)'/g)].map(([, url]) => path.posix.join('main', url!));
    expect(urls.map((url) => url.replace(/\.js$/, '.ts')).sort()).toEqual([...THREADS].sort());
  });

  test('keeps what is portable free of everything but itself', () => {
    const foreign = imports.filter(({ from, own }) => roomOf(from).name === 'portable' && !own);
    expect(foreign).toEqual([]);
  });

  test('names built-in modules with node:', () => {
    const packages = [
      '@marcbachmann/cel-js',
      '@msgpack/msgpack',
      'cli-progress',
      'commander',
      'hash-wasm',
      'msgpackr/pack',
      'fs-native-extensions',
      'lru-cache',
      'lz4-napi',
      'piscina',
    ];
    const others = imports.filter(({ to, own }) => !own && !to.startsWith('node:') && !packages.includes(to));
    expect(others).toEqual([]);
  });

  test('loads no command line library but in the command line', () => {
    const loaded = imports.filter(
      ({ from, to }) => /^(commander|cli-progress)/.test(to) && roomOf(from).name !== 'cli',
    );
    expect(loaded).toEqual([]);
  });

  test('loads the parser of CEL only where a text in it is parsed', () => {
    const texts = files.map((file) => fs.readFileSync(path.join(SRC, file), 'utf8'));
    const loading = files.filter((_, i) => /['"]@marcbachmann\/cel-js['"]/.test(texts[i]!));
    expect(loading).toEqual(['main/read/query/cel.ts']);
    expect(fs.readFileSync(path.join(SRC, loading[0]!), 'utf8')).not.toMatch(/^import .*cel-js/m);
  });

  test('has no file that nothing reaches', () => {
    const reached = new Set(ENTRIES.filter((file) => files.includes(file)));
    for (const file of reached) for (const { from, to } of own) if (from === file) reached.add(to);
    expect(files.filter((file) => !reached.has(file))).toEqual([]);
  });

  test(`has no file of more than ${MAX_LINES} lines`, () => {
    const lines = (file: string): number => fs.readFileSync(path.join(SRC, file), 'utf8').split('\n').length - 1;
    expect(files.filter((file) => lines(file) > MAX_LINES)).toEqual([]);
  });
});
