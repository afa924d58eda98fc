/** What MessagePack claims must not be believed: five bytes can say that they are four thousand million members. */
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';

const PAYLOAD = new URL('../../dist/shared/format/payload.js', import.meta.url);

/** Claims of the largest sizes, alone, nested, and with a little behind them; in a heap that none of them would fit into. */
function program(decode: string): string {
  return `
    import { decodePayload } from ${JSON.stringify(PAYLOAD.href)};
    let refused = 0;
    for (const code of [0xc6, 0xdb, 0xdd, 0xdf, 0xc9]) {
      for (const size of ['ffffffff', '7fffffff', '00ffffff']) {
        for (const depth of [1, 16, 63]) {
          const claim = Buffer.concat([Buffer.of(code), Buffer.from(size, 'hex')]);
          const bytes = Buffer.concat([...Array(depth).fill(claim), Buffer.alloc(64, 0xa0)]);
          try { (${decode})(bytes); } catch { refused++; }
        }
      }
    }
    console.log('refused ' + refused);
  `;
}

function run(decode: string): ReturnType<typeof spawnSync> {
  const node = ['--max-old-space-size=32', '--max-semi-space-size=2', '--input-type=module', '-e', program(decode)];
  return spawnSync(process.execPath, node, { encoding: 'utf8', cwd: new URL('../..', import.meta.url) });
}

test('claims are refused in a heap of 32 MiB', () => {
  const { stdout, stderr, status } = run('(bytes) => decodePayload(1, bytes)');
  expect(`${stdout}${stderr}`).toBe('refused 45\n');
  expect(status).toBe(0);
});

test('a decoder that believes them does not come through', () => {
  const { stdout, status, signal } = run('(bytes) => new Array(bytes.readUInt32BE(1)).fill(0)');
  expect(stdout).not.toContain('refused');
  expect(status === 0 && signal === null).toBe(false);
});
