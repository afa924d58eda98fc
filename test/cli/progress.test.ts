/** Progress: a bar where stderr is a terminal, silence where it is none. */
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { openStore } from 'keeperlog';
import { describe, expect, test } from 'vitest';
import { quote } from '../../dist/main/cli/failure.js';
import { BINARY, emptyDir, Running, run } from './keeperlog.js';

const noTerminal = spawnSync('script', ['-qec', 'true', '/dev/null']).status !== 0;

/** How each long command is run, and what it says on stderr where that is no terminal. */
const LONG: readonly [name: string, args: readonly string[], said: RegExp][] = [
  ['ingest', ['ingest', 'events.jsonl'], /^$/],
  ['verify', ['verify'], /^$/],
  ['export', ['export'], /^\d+ events exported\n$/],
  ['stats', ['stats'], /^$/],
  ['backup', ['backup', 'to'], /^$/],
  ['doctor', ['doctor'], /^(error: .*\ntry: .*\n)?$/],
  ['bench', ['bench', '--rate', '100', '--seconds', '1', '--sla', '60000'], /^$/],
];

async function withStore(): Promise<string> {
  const cwd = emptyDir();
  fs.writeFileSync(path.join(cwd, 'events.jsonl'), '{"stream":"b","type":"C"}\n'.repeat(300));
  const store = await openStore(path.join(cwd, 'data'));
  await store.append('a', { type: 'Said' });
  await store.close();
  return cwd;
}

describe('progress', () => {
  test.each(LONG)('of %s is silent where stderr is no terminal', async (_, args, said) => {
    const { stderr } = await run(await withStore(), ...args);
    expect(stderr).toMatch(said);
  });
  test.skipIf(noTerminal).each(LONG)('of %s is a bar on a terminal', async (_, args) => {
    const cwd = await withStore();
    // The terminal is on stderr alone: stdout goes elsewhere, as with `keeperlog export > file`.
    const command = `${[process.execPath, BINARY, ...args].map(quote).join(' ')} > out`;
    const script = new Running(spawn('script', ['-qec', command, '/dev/null'], { cwd, stdio: 'pipe' }));
    const { stdout } = await script.ended;
    expect(stdout).toMatch(/\d%/);
    expect(fs.readFileSync(path.join(cwd, 'out'), 'utf8')).not.toContain('\u001b');
  });
});
