import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { BINARY, emptyDir, Running, run } from './keeperlog.js';

const COMMANDS = [
  '',
  'ingest',
  'append',
  'delete',
  'get',
  'read',
  'query',
  'tail',
  'streams',
  'info',
  'stats',
  'verify',
  'repair',
  'seal',
  'compact',
  'prune',
  'backup',
  'restore',
  'prove',
  'rotate-key',
  'export',
  'bench',
  'doctor',
  'completion',
];

const LINES = [
  '{"stream":"orders/1","type":"OrderPlaced","data":{"total":12}}',
  '{"stream":"orders/1","type":"OrderPaid","cause":0}',
];

describe.each(COMMANDS)('help of keeperlog %s', (command) => {
  let help = '';
  beforeAll(async () => {
    const { code, stdout, stderr } = await run('/', ...command.split(' ').filter(Boolean), '--help');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    help = stdout;
  });
  test('opens with three examples', () => {
    expect(examplesOf(help)).toHaveLength(3);
  });
  test('has examples that run as they stand', async () => {
    const cwd = emptyDir();
    const bin = path.join(cwd, 'bin');
    fs.mkdirSync(bin);
    fs.writeFileSync(path.join(bin, 'keeperlog'), `#!/bin/sh\nexec "${process.execPath}" "${BINARY}" "$@"\n`, {
      mode: 0o755,
    });
    fs.writeFileSync(path.join(cwd, 'events.jsonl'), `${LINES.join('\n')}\n`);
    await run(cwd, 'append', 'orders/1', 'OrderPlaced', '{"total":12}');
    for (const example of examplesOf(help)) {
      const env = { ...process.env, PATH: `${bin}:${process.env.PATH}` };
      const shell = new Running(
        spawn('sh', ['-c', / -f\b/.test(example) ? `exec ${example}` : example], { cwd, env, stdio: 'pipe' }),
      );
      if (/ -f\b/.test(example)) {
        // It follows until it is interrupted: once it has begun, what is appended comes out.
        while (shell.stdout === '') await run(cwd, 'append', 'a', 'B');
        shell.child.kill('SIGINT');
        await shell.ended;
        continue;
      }
      const { code, stderr } = await shell.ended;
      // Whether a bench meets its target, and what a doctor finds, is the machine's matter.
      const codes = command === 'bench' || command === 'doctor' ? [0, 1] : [0];
      expect({ example, code, stderr }).toSatisfy(({ code }) => codes.includes(code));
    }
  });
});

function examplesOf(help: string): string[] {
  const lines = help.split('\n');
  expect(lines[0]).toBe('Examples:');
  return lines.slice(1, lines.indexOf('')).map((line) => line.slice(0, line.lastIndexOf('  # ')).trim());
}
