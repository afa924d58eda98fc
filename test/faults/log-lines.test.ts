/** What an operator reads in the log of a program, by way of pino. */
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { fill, smallDisk, storeWithoutNames } from './disk.js';
import { cannot, opened, orSkip, Program, segmentPath, segmentsOf, temporaryDir } from './kit.js';

const event = { type: 'work.done', data: { pad: 'x'.repeat(10_000) } };

/** Levels of pino. */
const LEVEL = { debug: 20, info: 30, warn: 40, error: 50 } as const;
type Level = keyof typeof LEVEL;

/** A line without its time, and its level by name. */
function told({ level, time: _, msg, ...fields }: any): [level: Level, msg: string, fields: Record<string, unknown>] {
  return [(Object.keys(LEVEL) as Level[]).find((name) => LEVEL[name] === level)!, msg, fields];
}

async function lines(program: Program): Promise<ReturnType<typeof told>[]> {
  return (await program.call('lines')).map(told);
}

const ms = expect.any(Number);
const storeId = expect.stringMatching(/^[0-9a-f]{32}$/);
const nodeId = expect.stringMatching(/^[0-9a-f]{12}$/);

describe('the log', () => {
  it('has a line for an orderly opening and one for closing', async () => {
    const dir = temporaryDir();
    const program = new Program();
    await program.call('open', { dir });
    await program.call('appendUntilError', { stream: 'a', event, atMost: 3 });
    await program.call('close');
    await program.call('open', { dir });
    const identity = { dir, storeId, nodeId, clean: true, tookMs: ms };
    expect(await lines(program)).toEqual([
      ['info', 'the store is open', { ...identity, durable: 0, segments: 0, replayedEvents: 0 }],
      ['info', 'the store is closed', { dir, durable: 3, tookMs: ms }],
      ['info', 'the store is open', { ...identity, durable: 3, segments: 1, replayedEvents: 0 }],
    ]);
  });

  it('says what was recovered after kill -9, and what was set aside', async () => {
    const dir = temporaryDir();
    const killed = new Program();
    await killed.call('open', { dir });
    await killed.call('appendUntilError', { stream: 'a', event, atMost: 5 });
    const { bytes } = await killed.call('stats');
    await killed.kill();
    const file = fs.openSync(segmentPath(dir, 1), 'r+');
    fs.writeSync(file, 'x'.repeat(100), bytes);
    fs.closeSync(file);

    const program = new Program();
    await program.call('open', { dir });
    const recovered = 'the store was not closed by its last writer, and has been recovered';
    const setAside = 'a torn end of the log, never acknowledged as synced, was set aside';
    const found = { dir, storeId, nodeId, durable: 5, segments: 1, clean: false, replayedEvents: 5, tookMs: ms };
    expect(await lines(program)).toEqual([
      ['info', recovered, { dir, rewrittenBytes: expect.any(Number), tookMs: ms }],
      ['warn', setAside, { dir, tornBytes: 100, tornFile: 'segment-0000000001.1.torn' }],
      ['info', 'the store is open', found],
    ]);
  });

  it('says that a store opened for reading is damaged, and where', async () => {
    const dir = temporaryDir();
    const writer = await opened(dir);
    await writer.append('a', event);
    const { bytes: offset } = writer.stats();
    await writer.append('a', event);
    await writer.close();
    const file = fs.openSync(segmentPath(dir, 1), 'r+');
    fs.writeSync(file, 'damage', offset + 200);
    fs.closeSync(file);

    const program = new Program();
    await program.call('open', { dir, readOnly: true });
    const range = { file: segmentPath(dir, 1), offset, firstSequence: 2, lastSequence: 2 };
    expect(await lines(program)).toEqual([
      ['info', 'the store is open for reading only', expect.objectContaining({ durable: 2, segments: 1, tookMs: ms })],
      ['warn', 'durable events do not verify: only what is intact can be read', { dir, ...range }],
    ]);
  });

  it('tells of rotations to those who debug', async () => {
    const dir = temporaryDir();
    const program = new Program();
    await program.call('open', { dir, segmentBytes: 65_536 });
    await program.call('appendUntilError', { stream: 'a', event, atMost: 13 });
    const rotations = (await lines(program)).filter(([level]) => level === 'debug');
    expect(rotations).toEqual([
      ['debug', 'the log goes on in a new segment', { dir, segment: 2, durable: 7 }],
      ['debug', 'the log goes on in a new segment', { dir, segment: 3, durable: 13 }],
    ]);
  });

  it('names the error of a writer that has died, and that the end is not clean', async () => {
    const dir = temporaryDir();
    const program = new Program({ fault: 'writer-exits-writing' });
    await program.call('open', { dir });
    await program.call('appendUntilError', { stream: 'a', event, atMost: 10 });
    await program.call('close');
    const [, failed, closed] = await lines(program);
    const err = { code: 'ERR_STORAGE', message: expect.stringContaining('the writer thread has ended') };
    const final = 'the log cannot be written any more: close the store and open it again';
    expect(failed).toMatchObject(['error', final, { dir, err, durable: 2, appends: 1 }]);
    expect(closed).toMatchObject(['warn', expect.stringContaining('not marked as clean'), { dir, durable: 2 }]);
  });

  it('says that the background thread has ended', async () => {
    const dir = temporaryDir();
    const program = new Program({ fault: 'background-exits' });
    await program.call('open', { dir, segmentBytes: 65_536 });
    await program.call('load', { run: 'alone', calls: 100 });
    await program.call('close');
    const errors = (await lines(program)).filter(([level]) => level === 'error');
    expect(errors).toEqual([['error', 'the background thread has ended; the log goes on without it', { dir }]]);
  });
});

const noStrace = orSkip(cannot('strace'));

describe.skipIf(noStrace)('the log, after a sync that failed,', () => {
  it('names call and errno, and how many appends it took with it', async () => {
    const dir = temporaryDir();
    const strace = ['-o', '/dev/null', '-P', segmentPath(dir, 1), '-e', 'trace=fdatasync'];
    const program = new Program({ strace: [...strace, '-e', 'inject=fdatasync:error=EIO:when=3'] });
    await program.call('open', { dir });
    await program.call('appendUntilError', { stream: 'a', event, atMost: 10 });
    await program.call('close');
    const [, failed, closed] = await lines(program);
    const err = {
      type: 'KeeperError',
      message: expect.stringContaining('fdatasync failed with EIO'),
      stack: expect.any(String),
      code: 'ERR_STORAGE',
      errno: 'EIO',
      syscall: 'fdatasync',
      hint: expect.stringContaining('open it again'),
    };
    const final = 'the log cannot be written any more: close the store and open it again';
    expect(failed).toMatchObject(['error', final, { dir, err, durable: 2, appends: 1 }]);
    expect(closed).toMatchObject(['warn', expect.stringContaining('not marked as clean'), { dir, durable: 2 }]);
  });
});

const noMount = orSkip(cannot('root', 'mount'));

describe.skipIf(noMount)('the log, where the disk is full,', () => {
  it('says when writes are suspended and resumed', async () => {
    const disk = smallDisk('size=16m');
    const dir = path.join(disk, 'store');
    const program = new Program();
    await program.call('open', { dir });
    const giveBack = fill(disk, 3 * 1024 * 1024);
    const { ids } = await program.call('appendUntilError', { stream: 'a', event, atMost: 5000 });
    giveBack();
    for (let stats = await program.call('stats'); stats.mode !== 'open' || stats.pending > 0; ) {
      stats = await program.call('stats');
    }
    const [, suspended, resumed, ...others] = await lines(program);
    const err = { code: 'ERR_STORAGE', errno: 'ENOSPC', syscall: 'write' };
    const durable = ids.length;
    const full = 'the disk is full: writes are suspended until there is space';
    expect(suspended).toMatchObject(['error', full, { dir, err, durable, appends: 1 }]);
    expect(resumed).toEqual(['info', 'there is space again: writes are resumed', { dir, durable, suspendedMs: ms }]);
    expect(others).toEqual([]);
  });

  it('says once that there is no space for a next segment, however often it is tried', async () => {
    const { dir, program, giveBack } = await storeWithoutNames(event);
    for (const until = Date.now() + 2500; Date.now() < until; ) {
      await program.call('appendUntilError', { stream: 'b', event, atMost: 10 });
    }
    giveBack();
    const before = segmentsOf(dir).length;
    while (segmentsOf(dir).length < before + 2) {
      await program.call('appendUntilError', { stream: 'b', event, atMost: 10 });
    }
    const said = (await lines(program)).filter(([, message]) => message.includes('no space for the next segment'));
    const err = { errno: 'ENOSPC', syscall: 'open' };
    expect(said).toMatchObject([['warn', expect.stringContaining('goes on growing'), { dir, err }]]);
  });
});
