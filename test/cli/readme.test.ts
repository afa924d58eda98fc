import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { emptyDir, Running, run } from './keeperlog.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const README = fs.readFileSync(path.join(ROOT, 'README.md'), 'utf8');

const blocks = (language: string): string[] =>
  [...README.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'gms'))].map(([, code]) => code!);

describe('the README', () => {
  test('has code that works against the built package', async () => {
    const cwd = emptyDir();
    fs.mkdirSync(path.join(cwd, 'node_modules'));
    fs.symlinkSync(ROOT, path.join(cwd, 'node_modules', 'keeperlog'));
    const [code] = blocks('js');
    fs.writeFileSync(path.join(cwd, 'example.mjs'), code!);
    const {
      code: exit,
      stdout,
      stderr,
    } = await new Running(spawn(process.execPath, ['example.mjs'], { cwd, stdio: 'pipe' })).ended;
    expect({ exit, stdout, stderr }).toEqual({
      exit: 0,
      stdout: '1 OrderPlaced { total: 12 }\n2 OrderPaid null\n',
      stderr: '',
    });
    expect((await run(cwd, 'verify', '--deep')).code).toBe(0);
  });
  test('lists every command that the program has', async () => {
    const { stdout } = await run(emptyDir(), '--help');
    const listed = [...README.matchAll(/^\| `([a-z][a-z-]*) ?[^`]*`.* \|/gm)].map(([, name]) => name!);
    const known = [...stdout.matchAll(/^ {2}([a-z][a-z-]*) /gm)]
      .map(([, name]) => name!)
      .filter((name) => name !== 'help' && name !== 'keeperlog');
    for (const name of known) expect(listed).toContain(name);
  });
});
