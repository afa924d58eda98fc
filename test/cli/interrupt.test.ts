/** Ctrl-C and SIGTERM: every long command ends in order, and says what is left. */
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { openStore } from 'keeperlog';
import { describe, expect, test } from 'vitest';
import { emptyDir, parseLines, type Running, run, start, startAfter } from './keeperlog.js';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
/** More than a pipe takes, and several reads of a megabyte. */
const EVENTS = 600;
const EVENT_BYTES = 10_000;

async function withEvents(): Promise<string> {
  const cwd = emptyDir();
  const store = await openStore(path.join(cwd, 'data'));
  const event = { type: 'Said', data: 'x'.repeat(EVENT_BYTES) };
  for (let i = 0; i < EVENTS; i += 100)
    await store.append(
      'a',
      Array.from({ length: 100 }, () => event),
    );
  await store.close();
  return cwd;
}

/** Interrupt a command that prints more than is read. Returns its failure and the sequences that came out whole. */
async function interruptPrinting(
  printing: Running,
  signal: NodeJS.Signals,
): Promise<{ code: number | null; error: any; sequences: number[] }> {
  await printing.until(({ stdout }) => stdout !== '');
  printing.child.stdout!.pause();
  const exited = once(printing.child, 'exit');
  printing.child.kill(signal);
  await exited;
  printing.child.stdout!.resume();
  const { code, stdout, stderr } = await printing.ended;
  const whole = stdout.slice(0, stdout.lastIndexOf('\n') + 1);
  return { code, error: JSON.parse(stderr).error, sequences: parseLines(whole).map(({ sequence }) => sequence) };
}

/** The words of a told command line that has no quotes. */
const wordsOf = (next: string): string[] => next.split(' ').slice(1);

describe.each(SIGNALS)('%s', (signal) => {
  test('ends read in front of a reader that has stopped, and names the command for the rest', async () => {
    const cwd = await withEvents();
    const printed = await interruptPrinting(start(cwd, 'read', '--stream', 'a', '--limit', '599', '--json'), signal);
    const { lastSequence } = printed.error;
    expect(printed.code).toBe(1);
    expect(printed.error).toMatchObject({ code: 'ERR_ABORTED', events: lastSequence, exitCode: 1 });
    expect(printed.sequences.slice(0, lastSequence)).toEqual(Array.from({ length: lastSequence }, (_, i) => i + 1));
    const rest = await run(cwd, ...wordsOf(printed.error.next), '--json');
    const sequences = parseLines(rest.stdout).map(({ sequence }) => sequence);
    expect(sequences).toEqual(Array.from({ length: 599 - lastSequence }, (_, i) => lastSequence + 1 + i));
  });
  test('ends a read backwards, and names the command for the rest', async () => {
    const cwd = await withEvents();
    const printed = await interruptPrinting(start(cwd, 'read', '--backwards', '--json'), signal);
    const { lastSequence, next } = printed.error;
    expect(printed.sequences.indexOf(lastSequence)).toBe(EVENTS - lastSequence);
    const rest = await run(cwd, ...wordsOf(next), '--limit', '1', '--json');
    expect(parseLines(rest.stdout).map(({ sequence }) => sequence)).toEqual([lastSequence - 1]);
  });
  test('ends export, and names the command for the rest', async () => {
    const cwd = await withEvents();
    const printed = await interruptPrinting(start(cwd, 'export', '--type', 'Said', '--to', '590', '--json'), signal);
    const { lastSequence, next } = printed.error;
    expect(printed.code).toBe(1);
    expect(printed.sequences).toContain(lastSequence);
    expect(next).toBe(`keeperlog export --type Said --from ${lastSequence + 1} --to 590`);
    expect((await run(cwd, ...wordsOf(next))).stderr).toBe(`${590 - lastSequence} events exported\n`);
  });
  test.each([
    // In the middle of its work: at the second read of the log, or at the second task for the pool, whose thread is told its own first.
    ['stats', 'fs', 'read', 2],
    ['verify', 'worker_threads', 'MessagePort.prototype.postMessage', 3],
  ])('ends %s while it reads', async (command, module, method, calls) => {
    const cwd = await withEvents();
    const code = `
      import module from 'node:${module}';
      const inner = module.${method};
      let calls = 0;
      module.${method} = function (...args) {
        if (++calls === ${calls}) process.kill(process.pid, '${signal}');
        return inner.apply(this, args);
      };`;
    const ended = await startAfter(code, cwd, command, '--json').ended;
    expect(ended).toMatchObject({ code: 1, stdout: '' });
    expect(JSON.parse(ended.stderr).error).toEqual({
      code: 'ERR_ABORTED',
      message: `interrupted by ${signal}; nothing was changed`,
      hint: '',
      next: `keeperlog ${command}`,
      exitCode: 1,
    });
  });
  test('ends ingest with the store closed, and names the command that goes on', async () => {
    const cwd = await withEvents();
    const ingest = start(cwd, 'ingest', '-', '--json');
    // One of those that are there: the event may come before the tail does.
    const tail = start(cwd, 'tail', '-f', '-n', '1', '--stream', 'b');
    ingest.child.stdin!.write('{"stream":"b","type":"C"}\n');
    await tail.until(({ stdout }) => stdout !== '');
    ingest.child.kill(signal);
    const { code, stdout, stderr } = await ingest.ended;
    expect(code).toBe(1);
    expect(JSON.parse(stdout).sources).toMatchObject([{ line: 1, added: 1 }]);
    expect(JSON.parse(stderr).error).toMatchObject({ code: 'ERR_ABORTED', next: 'keeperlog ingest -' });
    expect(JSON.parse((await run(cwd, 'info', '--json')).stdout).clean).toBe(true);
  });
  test('ends bench with its store removed', async () => {
    const cwd = emptyDir();
    const bench = start(cwd, 'bench', '--rate', '100', '--seconds', '60', '--json');
    await once(fs.watch(cwd), 'change');
    bench.child.kill(signal);
    const { code, stdout, stderr } = await bench.ended;
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(JSON.parse(stderr).error).toMatchObject({ code: 'ERR_ABORTED', next: 'keeperlog bench --seconds 3' });
    expect(fs.readdirSync(cwd)).toEqual([]);
  });
  test('ends tail -f with 0', async () => {
    const tail = start(await withEvents(), 'tail', '-f', '-n', '1');
    await tail.until(({ stdout }) => stdout !== '');
    tail.child.kill(signal);
    expect(await tail.ended).toMatchObject({ code: 0, stderr: '' });
  });
  test('ends tail -f in front of a reader that has stopped', async () => {
    const tail = start(await withEvents(), 'tail', '-f', '-n', '600', '--json');
    await tail.until(({ stdout }) => stdout !== '');
    tail.child.stdout!.pause();
    const exited = once(tail.child, 'exit');
    tail.child.kill(signal);
    expect(await exited).toEqual([0, null]);
    tail.child.stdout!.resume();
    await tail.ended;
  });
});
