/** What the documents say about files, links and log lines, held against what is there. */
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const DOCUMENTS = [
  'README.md',
  'CHANGELOG.md',
  ...fs
    .readdirSync(path.join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

const read = (file: string): string => fs.readFileSync(path.join(ROOT, file), 'utf8');

/** The paths that a document has in backticks: of a source or a document, or in one of the repository's rooms. */
function pathsIn(document: string): string[] {
  const code = [...read(document).matchAll(/`([^`\s*…<>]+)`/g)].map(([, text]) => text!);
  return code.filter((text) => /^(\.ci|bench|docs|examples|src|test)\/|\/.*\.(ts|mjs|md)$/.test(text));
}

/** The files of the section that tells where to begin. */
function firstFiles(document: string): string[] {
  const [, section] = read(document).split('## Reading the source\n');
  return [...section!.split('\n## ')[0]!.matchAll(/^\d\. `([^`]+)`/gm)].map(([, name]) => name!);
}

/** The full bench draws these: before it has run there is nothing to link to. */
const FIGURES = 'docs/figures';
const noFigures = !fs.existsSync(path.join(ROOT, FIGURES));
if (noFigures) console.warn(`SKIPPED: links to ${FIGURES}: it is not there, \`npm run bench\` makes it`);

/** A heading as GitHub makes an anchor of it. */
function anchor(heading: string): string {
  const plain = heading.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '');
  return plain.replaceAll(' ', '-');
}

function anchorsOf(file: string): string[] {
  const text = read(file).replace(/^```.*?^```/gms, '');
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) => anchor(heading!));
}

describe.each(DOCUMENTS)('%s', (document) => {
  test('names files that are there', () => {
    expect(pathsIn(document).filter((name) => !fs.existsSync(path.join(ROOT, name)))).toEqual([]);
  });

  test('links to files and headings that are there', () => {
    const broken = [...read(document).matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, link]) => link!)
      .filter((link) => !/^https?:/.test(link))
      .filter((link) => {
        const [file, heading] = link.split('#') as [string, string | undefined];
        const target = file === '' ? document : path.posix.join(path.posix.dirname(document), file);
        if (noFigures && target.startsWith(`${FIGURES}/`)) return false;
        if (!fs.existsSync(path.join(ROOT, target))) return true;
        return heading !== undefined && !anchorsOf(target).includes(heading);
      });
    expect(broken).toEqual([]);
  });
});

test('the README and the architecture name the same six files to open first', () => {
  expect(firstFiles('docs/architecture.md')).toHaveLength(6);
  expect(firstFiles('README.md')).toEqual(firstFiles('docs/architecture.md'));
});

describe('the table of log lines', () => {
  const SOURCES = [
    'src/main/telemetry/operator-log.ts',
    'src/workers/writer/rotation.ts',
    'src/workers/background/background.ts',
  ];
  /** A level, its fields, and a message; in a thread's own line the two come as members or arguments as well. */
  const LINE = /(?:#say\(|log\(|level: )'(debug|info|warn|error)',[^;]*?'([^']{10,})'/g;

  test('has every line of the source with its level, and no other', () => {
    const inSource = SOURCES.flatMap((file) => [...read(file).matchAll(LINE)].map(([, ...line]) => line.join(' | ')));
    const inTable = [...read('docs/operations.md').matchAll(/^\| (debug|info|warn|error) +\| ([^|]+?) +\|/gm)].map(
      ([, ...line]) => line.join(' | '),
    );
    expect(inSource.length).toBeGreaterThan(15);
    expect(inTable.sort()).toEqual(inSource.sort());
  });
});
