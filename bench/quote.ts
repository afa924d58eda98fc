/** Puts the tables of a report where docs/performance.md quotes it: between two comments that name the bench. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';

const PAGE = 'docs/performance.md';

/** @param report what the bench has printed: everything from its first table on is quoted */
export function quote(name: string, report: string): void {
  const text = fs.readFileSync(PAGE, 'utf8');
  const [begin, end] = [`<!-- bench:${name} -->`, `<!-- /bench:${name} -->`];
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from === -1 || to < from) return;
  const tables = report.slice(report.search(/^(\||\*\*)/m)).trim();
  fs.writeFileSync(PAGE, `${text.slice(0, from + begin.length)}\n\n${tables}\n\n${text.slice(to)}`);
  execFileSync('npx', ['biome', 'format', '--write', PAGE]);
}
