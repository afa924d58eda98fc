import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { emptyDir, Running } from './keeperlog.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const PAGE = fs.readFileSync(path.join(ROOT, 'docs/first-five-minutes.md'), 'utf8');

/** Each block of the page: its command, and how it ended. What was printed differs from run to run. */
function stepsOf(page: string): { command: string; exit: string }[] {
  return [...page.matchAll(/^```console\n(.*?)^```$/gms)].map(([, block]) => {
    const lines = block!.trimEnd().split('\n');
    return {
      command: lines.filter((line) => /^[$>] /.test(line)).join('\n'),
      exit: /^\(exit code \d+\)$/.test(lines.at(-1)!) ? lines.at(-1)! : '',
    };
  });
}

/** The page without what was printed. */
const textOf = (page: string): string => page.replaceAll(/^```console\n.*?^```$/gms, '');

describe('the first five minutes', () => {
  test('can be run again, and go as the page says', async () => {
    const script = path.join(ROOT, 'docs/first-five-minutes.mjs');
    const again = new Running(spawn(process.execPath, [script], { cwd: emptyDir(), stdio: 'pipe' }));
    const { code, stdout, stderr } = await again.ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stepsOf(PAGE).length).toBeGreaterThan(15);
    expect(stepsOf(stdout)).toEqual(stepsOf(PAGE));
    expect(textOf(stdout)).toBe(textOf(PAGE));
    expect(stdout).toContain('$ keeperlog read --stream visits | wc -l\n20000\n');
    expect(stdout).not.toContain('\u001b');
  }, 120_000);
  test('show a conflict, a kill, and that nothing was lost or doubled', () => {
    const exits = stepsOf(PAGE).map(({ exit }) => exit);
    expect(exits.filter((exit) => exit !== '')).toEqual(['(exit code 3)', '(exit code 137)']);
    expect(PAGE).toContain('$ keeperlog read --stream visits | wc -l\n20000\n');
    expect(PAGE).toMatch(/visits\.jsonl: [\d,]+ events added, resumed at line \d+, now at line 20000\n/);
  });
  test('are the same in the README, as far as it shows them', () => {
    const readme = fs.readFileSync(path.join(ROOT, 'README.md'), 'utf8');
    const [, shown = ''] = /<!-- transcript -->\n(.*)<!-- \/transcript -->/s.exec(readme) ?? [];
    const blocks = shown.match(/^```console\n.*?^```$/gms) ?? [];
    expect(blocks.length).toBeGreaterThan(7);
    for (const block of blocks) expect(PAGE).toContain(block);
  });
  test('have no terminal codes and no path of the machine that made them', () => {
    expect(PAGE).not.toMatch(/\u001b|\/tmp\//);
  });
});
