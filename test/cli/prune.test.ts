/** What `keeperlog prune` removes, and what it says. */
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { openStore } from 'keeperlog';
import { expect, test } from 'vitest';
import { emptyDir, run, startAfter } from './keeperlog.js';

const SEGMENT_BYTES = 65_536;

/** A store of several full segments of some ten events each, none of them sealed. */
async function filled(): Promise<string> {
  const cwd = emptyDir();
  const store = await openStore({ dir: path.join(cwd, 'data'), segmentBytes: SEGMENT_BYTES, sealing: 'on-demand' });
  const events = Array.from({ length: 60 }, (_, i) => ({ type: 'Said', data: { i, blob: randomBytes(6000) } }));
  for (const event of events) await store.append('a', event);
  await store.close();
  return cwd;
}

test('prune removes the oldest segments, sealed by itself before, and says how much and where the log begins', async () => {
  const cwd = await filled();
  const { code, stdout } = await run(cwd, 'prune', '--max-bytes', '64K');
  expect({ code, stdout }).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^removed \d+ segments?, [\d.]+ KiB: the log begins at sequence \d+\n$/),
  });
  const floor = Number(/sequence (\d+)/.exec(stdout)![1]);
  expect(floor).toBeGreaterThan(20);
  expect(JSON.parse((await run(cwd, 'info', '--json')).stdout)).toMatchObject({ floor, durable: 60 });
  expect((await run(cwd, 'verify', '--deep')).code).toBe(0);
  // A stream goes on with its revisions, and what is within the limits stays.
  expect((await run(cwd, 'append', 'a', 'Said', '--expect', '59')).code).toBe(0);
  expect(await run(cwd, 'prune', '--max-bytes', '1T')).toMatchObject({ code: 0, stdout: 'nothing to remove\n' });
  const json = await run(cwd, 'prune', '--max-age', '30d', '--max-bytes', '10GiB', '--json');
  expect(JSON.parse(json.stdout)).toEqual({ floor, segments: 0, bytes: 0, left: null, clockDoubted: false });
});

test('prune by age leaves the newest segment, and says so', async () => {
  const cwd = await filled();
  // The clock of a day later.
  const later = 'const { now } = Date; Date.now = () => now() + 86_400_000;';
  const { code, stdout } = await startAfter(later, cwd, 'prune', '--max-age', '12h', '--json').ended;
  expect({ code, report: JSON.parse(stdout) }).toMatchObject({
    code: 0,
    report: { left: 'unsealed', clockDoubted: false },
  });
  expect(JSON.parse((await run(cwd, 'info', '--json')).stdout)).toMatchObject({ segments: 1 });
  const again = await startAfter(later, cwd, 'prune', '--max-age', '12h').ended;
  expect(again).toMatchObject({
    code: 0,
    stdout:
      'nothing to remove\nmore is over the limits, and stays: it is in the newest segment, or in one that is not sealed\n',
  });
});

test('prune does not look at age where the clock is behind the newest event, and says so', async () => {
  const cwd = await filled();
  const earlier = 'const { now } = Date; Date.now = () => now() - 86_400_000;';
  const { code, stdout } = await startAfter(earlier, cwd, 'prune', '--max-age', '1s').ended;
  expect({ code, stdout }).toEqual({
    code: 0,
    stdout: 'nothing to remove\nage was not looked at: the wall clock is behind the newest event, or has jumped\n',
  });
});

test('prune refuses to run without a limit, and what is no limit, before the store is touched', async () => {
  const cwd = emptyDir();
  const refusals = [
    [[], 'give --max-age, --max-bytes, or both'],
    [['--max-age', '30'], '30d'],
    [['--max-age', '1w'], '30d'],
    [['--max-age', '-1d'], '30d'],
    [['--max-bytes', '10GB'], '10G'],
    [['--max-bytes', '1.5G'], '10G'],
    [['--max-bytes', '9999999999T'], '10G'],
  ] as const;
  for (const [args, message] of refusals) {
    const { code, stdout, stderr } = await run(cwd, 'prune', ...args);
    expect({ args, code, stdout, stderr }).toEqual({
      args,
      code: 2,
      stdout: '',
      stderr: expect.stringContaining(message),
    });
    expect(stderr).toContain('try: keeperlog prune --help');
  }
});

test('prune refuses limits that the option of a store refuses, in the same words', async () => {
  const cwd = await filled();
  const { code, stderr } = await run(cwd, 'prune', '--max-bytes', '1K', '--json');
  expect(code).toBe(2);
  expect(JSON.parse(stderr).error).toMatchObject({
    code: 'ERR_INVALID_OPTIONS',
    path: 'retention.maxBytes',
    message: expect.stringContaining('must be an integer from 65536'),
  });
  expect(JSON.parse((await run(cwd, 'info', '--json')).stdout)).toMatchObject({ floor: 1 });
});
