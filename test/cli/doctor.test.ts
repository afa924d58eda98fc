import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { openStore } from 'keeperlog';
import { describe, expect, onTestFinished, test } from 'vitest';
import { decodeManifest, encodeManifest } from '../../dist/shared/format/manifest.js';
import { cannot, orSkip, temporaryDir } from '../faults/kit.js';
import { listing } from '../support/stores.js';
import { BINARY, emptyDir, run, runBehind, start, startAfter } from './keeperlog.js';

const skipMounts = orSkip(cannot('root', 'mount'));
const SEGMENT = 'segment-0000000001.log';
const AS_NOBODY = 'setpriv --reuid 65534 --regid 65534 --clear-groups';

/** A directory with a store of some events that was closed. */
async function withStore(): Promise<{ cwd: string; dir: string }> {
  const cwd = emptyDir();
  const dir = path.join(cwd, 'data');
  const store = await openStore(dir);
  for (let i = 0; i < 3; i++) await store.append('orders/1', { type: 'OrderPaid', data: { i } });
  await store.close();
  return { cwd, dir };
}

/** What the doctor says as JSON, with its findings by name. */
async function examine(cwd: string, ...args: string[]): Promise<{ code: number | null; report: any; found: any }> {
  const { code, stdout } = await run(cwd, 'doctor', '--json', ...args);
  return { code, ...parse(stdout) };
}

function parse(stdout: string): { report: any; found: any } {
  const report = JSON.parse(stdout);
  return { report, found: Object.fromEntries(report.findings.map((finding: any) => [finding.check, finding])) };
}

/** Whether this is root, and another user may read the program. */
function canBeAnotherUser(): boolean {
  const look = `test -x "${process.execPath}" && test -r "${BINARY}"`;
  return process.getuid?.() === 0 && spawnSync('sh', ['-c', `${AS_NOBODY} sh -c '${look}'`]).status === 0;
}

/** A file system of its own, mounted over a new directory. */
function mounted(options: string): string {
  const dir = temporaryDir();
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'keeperlog-doctor', dir]);
  onTestFinished(() => void execFileSync('umount', ['-l', dir]));
  return dir;
}

describe('doctor', () => {
  test('where there is no directory checks the nearest one above it, says so, and makes nothing', async () => {
    const cwd = emptyDir();
    const { report, found } = await examine(cwd, '--dir', 'not/there');
    expect(report).toMatchObject({ store: false, dir: 'not/there' });
    expect(found.directory).toMatchObject({ level: 'ok', measured: { checked: fs.realpathSync(cwd) } });
    expect(found.store).toMatchObject({ level: 'ok', measured: { there: false } });
    expect(fs.readdirSync(cwd)).toEqual([]);
  });
  test('measures the machine', async () => {
    const { found } = await examine(emptyDir());
    const { p50Ms, p99Ms, writes } = found['sync latency'].measured;
    expect(writes).toBeGreaterThan(0);
    expect(p50Ms).toBeGreaterThan(0);
    expect(p99Ms).toBeGreaterThanOrEqual(p50Ms);
    expect(found['Node.js'].measured.version).toBe(process.versions.node);
    expect(found.cores.measured.cores).toBeGreaterThan(0);
    expect(found.memory.measured.availableBytes).toBeGreaterThan(0);
    expect(found['free space'].measured.freeBytes).toBeGreaterThan(0);
    expect(found.locking.measured.works).toBe(true);
    expect(found.clock.measured.watchedMs).toBeGreaterThanOrEqual(240);
  });
  test('of a sound store verifies it, and changes nothing in it', async () => {
    const { cwd, dir } = await withStore();
    const before = listing(dir);
    const { report, found } = await examine(cwd);
    expect(report.store).toBe(true);
    expect(found.store.measured).toMatchObject({ durable: 3, segments: 1, format: 1 });
    expect(found.recovery).toMatchObject({ level: 'ok', measured: { clean: true } });
    expect(found.lock).toMatchObject({ level: 'ok', measured: { state: 'free' } });
    expect(found.log).toMatchObject({ level: 'ok', measured: { events: 3, problems: [] } });
    expect(found.leftovers.level).toBe('ok');
    expect(listing(dir)).toEqual(before);
  });
  test('prints a line a finding, advice below it, and a summary', async () => {
    const { cwd, dir } = await withStore();
    fs.writeFileSync(path.join(dir, 'segment-0000000001.3.torn'), 'torn');
    const { stdout } = await run(cwd, 'doctor');
    expect(stdout).toMatch(/^ok {7}store {9,}3 events, /m);
    expect(stdout).toMatch(/^warning {2}leftovers {5,}1 torn ends of 4 B, .*\n {20,}.*rm -r \S+\.3\.torn$/m);
    expect(stdout).toMatch(/\n\n(no|\d+) problems?, \d+ warnings?\n$/);
  });
  test('beside a live writer says who it is, and is not in its way', async () => {
    const { cwd, dir } = await withStore();
    const store = await openStore(dir);
    const examining = examine(cwd);
    let ended = false;
    void examining.then(() => {
      ended = true;
    });
    while (!ended) await store.append('live', { type: 'Said', data: 'x'.repeat(500) });
    await store.close();
    const { report, found } = await examining;
    expect(found.lock).toMatchObject({ level: 'ok', measured: { state: 'held', pid: process.pid } });
    expect(found.recovery).toMatchObject({ level: 'ok', value: 'open in a writer' });
    expect(found.log.level).toBe('ok');
    expect(report.findings.filter(({ corrupt }: any) => corrupt)).toEqual([]);
  });
  test('of a store whose writer was killed warns, says what comes next, and is no problem', async () => {
    const { cwd } = await withStore();
    const ingest = start(cwd, 'ingest', '-');
    const tail = start(cwd, 'tail', '-f', '-n', '0', '--stream', 'a');
    ingest.child.stdin!.write('{"stream":"a","type":"B"}\n');
    await tail.until(({ stdout }) => stdout !== '');
    ingest.child.kill('SIGKILL');
    await ingest.ended;
    const { found } = await examine(cwd);
    expect(found.recovery).toMatchObject({ level: 'warning', measured: { clean: false } });
    expect(found.recovery.advice).toContain('recovers it by itself');
    expect(found.lock).toMatchObject({ level: 'ok', measured: { state: 'left', pid: ingest.child.pid } });
    expect(found.log).toMatchObject({ level: 'ok' });
  });
  test('of a store with a flipped bit exits with 5 and says which file', async () => {
    const { cwd, dir } = await withStore();
    const file = path.join(dir, SEGMENT);
    const bytes = fs.readFileSync(file);
    bytes[bytes.indexOf('OrderPaid')]! ^= 1;
    fs.writeFileSync(file, bytes);
    const { code, stdout, stderr } = await run(cwd, 'doctor', '--json');
    expect(code).toBe(5);
    const { found } = parse(stdout);
    expect(JSON.stringify(found)).toContain(SEGMENT);
    expect(JSON.parse(stderr).error).toMatchObject({ code: 'ERR_CORRUPT', next: 'keeperlog verify --deep' });
  });
  test('verifies closed segments too', async () => {
    const cwd = emptyDir();
    const dir = path.join(cwd, 'data');
    const store = await openStore({ dir, segmentBytes: 65_536 });
    for (let i = 0; i < 40; i++) await store.append('a', { type: 'B', data: 'x'.repeat(4000) });
    expect(store.stats().segments).toBeGreaterThan(2);
    await store.close();
    const file = path.join(dir, SEGMENT);
    const bytes = fs.readFileSync(file);
    bytes[bytes.indexOf('xxxx')]! ^= 1;
    fs.writeFileSync(file, bytes);
    const { code, found } = await examine(cwd);
    expect(code).toBe(5);
    expect(found.store.level).toBe('ok');
    expect(found.log).toMatchObject({ level: 'problem', corrupt: true });
    expect(found.log.measured.problems[0]).toMatchObject({ code: 'ERR_CORRUPT', firstSequence: 1 });
  });
  test('of a store without its manifest exits with 5', async () => {
    const { cwd, dir } = await withStore();
    fs.rmSync(path.join(dir, 'keeperlog.manifest'));
    const { code, found } = await examine(cwd);
    expect({ code, level: found.store.level }).toEqual({ code: 5, level: 'problem' });
  });
  test('of a store of a newer format exits with 1 and says what to do', async () => {
    const { cwd, dir } = await withStore();
    const file = path.join(dir, 'keeperlog.manifest');
    const decoded = decodeManifest(fs.readFileSync(file));
    if (decoded.kind !== 'valid') throw new Error('the manifest does not decode');
    fs.writeFileSync(file, encodeManifest({ ...decoded.manifest, format: 99 }));
    const { code, found } = await examine(cwd);
    expect(code).toBe(1);
    expect(found.store).toMatchObject({ level: 'problem', measured: { code: 'ERR_UNSUPPORTED_FORMAT' } });
    expect(found.store.advice).toContain('newer one');
  });
  test('finds a file where the directory should be', async () => {
    const cwd = emptyDir();
    fs.writeFileSync(path.join(cwd, 'data'), '');
    for (const dir of ['data', 'data/below']) {
      const { code, found } = await examine(cwd, '--dir', dir);
      expect({ code, level: found.directory.level }).toEqual({ code: 1, level: 'problem' });
    }
  });
  test('finds limits on open files and on the size of a file', async () => {
    const cwd = emptyDir();
    const { code, stdout, stderr } = await runBehind('ulimit -n 100; ulimit -f 100', cwd, 'doctor', '--json');
    const { found } = parse(stdout);
    expect(code).toBe(1);
    expect(found['open files']).toMatchObject({ level: 'warning', measured: { limit: 100 } });
    expect(found['file size'].level).toBe('problem');
    expect(found['sync latency']).toMatchObject({ level: 'problem', measured: { code: 'EFBIG' } });
    expect(JSON.parse(stderr).error).toMatchObject({ code: 'ERR_FAILED', next: 'keeperlog doctor', exitCode: 1 });
    expect(fs.readdirSync(cwd)).toEqual([]);
  });
  test('finds a clock that jumps while it is watched', async () => {
    const code = 'const now = Date.now; let calls = 0; Date.now = () => now() + (calls++ === 0 ? 0 : 60_000);';
    const { found } = parse((await startAfter(code, emptyDir(), 'doctor', '--json').ended).stdout);
    expect(found.clock.level).toBe('warning');
    expect(found.clock.measured.stepMs).toBeGreaterThan(59_000);
  });
  test('finds a clock that was never set', async () => {
    const code = 'const now = Date.now, start = now(); Date.now = () => now() - start;';
    const { found } = parse((await startAfter(code, emptyDir(), 'doctor', '--json').ended).stdout);
    expect(found.clock).toMatchObject({ level: 'problem' });
    expect(found.clock.value).toContain('1970');
  });
  test('finds events that are ahead of the clock', async () => {
    const cwd = emptyDir();
    const code = 'const now = Date.now; Date.now = () => now() + 3_600_000;';
    expect((await startAfter(code, cwd, 'append', 'a', 'B').ended).code).toBe(0);
    const { found } = await examine(cwd);
    expect(found['newest event'].level).toBe('warning');
    expect(found['newest event'].measured.aheadMs).toBeGreaterThan(3_000_000);
  });
  test.each(['SIGINT', 'SIGTERM'] as const)(
    'interrupted by %s leaves nothing behind and exits with 1',
    async (signal) => {
      const cwd = emptyDir();
      const made = new Promise<void>((resolve) => {
        const watcher = fs.watch(cwd, () => {
          watcher.close();
          resolve();
        });
      });
      const doctor = start(cwd, 'doctor');
      await made;
      doctor.child.kill(signal);
      const { code, stdout, stderr } = await doctor.ended;
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toContain(`interrupted by ${signal}`);
      expect(stderr).toContain('try: keeperlog doctor');
      expect(fs.readdirSync(cwd)).toEqual([]);
    },
  );
});

describe.skipIf(skipMounts)('doctor on a file system of its own', () => {
  test('warns of one that is in memory', async () => {
    const { found } = await examine(mounted('size=64m'));
    expect(found['file system']).toMatchObject({ level: 'warning', measured: { name: 'tmpfs' } });
    expect(found['free space']).toMatchObject({ level: 'problem', measured: { totalBytes: 64 * 1024 * 1024 } });
  });
  test('that is mounted read-only finds that, and looks at the store all the same', async () => {
    const disk = mounted('size=64m');
    await (await openStore(path.join(disk, 'data'))).close();
    execFileSync('mount', ['-o', 'remount,ro', disk]);
    const { code, found } = await examine(disk);
    expect(code).toBe(1);
    expect(found.writable).toMatchObject({ level: 'problem', measured: { code: 'EROFS' } });
    expect(found.store.measured.there).toBe(true);
    expect(found.log.level).toBe('ok');
  });
  test('that is full finds that, and leaves nothing behind', async () => {
    const disk = mounted('size=1m');
    fs.writeFileSync(path.join(disk, 'ballast'), Buffer.alloc(1024 * 1024));
    const { code, found } = await examine(disk);
    expect(code).toBe(1);
    expect(found['free space'].measured.freeBytes).toBe(0);
    expect(found['sync latency']).toMatchObject({ level: 'problem', measured: { code: 'ENOSPC' } });
    expect(fs.readdirSync(disk)).toEqual(['ballast']);
  });
});

describe.skipIf(!canBeAnotherUser())('doctor as another user', () => {
  test('finds that the directory is not writable, and does not fail', async () => {
    const { cwd, dir } = await withStore();
    for (const place of [cwd, dir]) fs.chmodSync(place, 0o755);
    const { code, stdout } = await runBehind(`set -- ${AS_NOBODY} "$@"`, cwd, 'doctor', '--json');
    const { found } = parse(stdout);
    expect(code).toBe(1);
    expect(found.writable).toMatchObject({ level: 'problem', measured: { code: 'EACCES' } });
    expect(found.log.level).toBe('ok');
  });
});
