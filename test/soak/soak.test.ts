import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { effort, SEED, TIMEOUT_MS } from '../support/effort.js';
import { makeDir, removeDir } from '../support/stores.js';
import { RSS_TOLERANCE_MIB, whatGrows } from './samples.mjs';

const SOAK = fileURLToPath(new URL('soak.mjs', import.meta.url));

interface Outcome {
  readonly code: number | null;
  readonly output: string;
}

/** @param interruptAt the output after which Ctrl-C comes */
async function soak(args: readonly string[], interruptAt?: string): Promise<Outcome> {
  // What a failed check keeps for looking at is not kept here.
  const scratch = makeDir();
  onTestFinished(() => removeDir(scratch));
  const child = spawn(process.execPath, [SOAK, '--seed', String(SEED), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TMPDIR: scratch },
  });
  let output = '';
  let isInterrupted = false;
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += String(chunk);
      if (interruptAt === undefined || isInterrupted || !output.includes(interruptAt)) return;
      isInterrupted = true;
      child.kill('SIGINT');
    });
  }
  const [code] = await once(child, 'close');
  return { code, output };
}

describe('growth', () => {
  const rest = { rssMiB: 100, files: ['a'], descriptors: 20, handles: ['PipeWrap'], threads: 11 };

  it('is one descriptor, one handle or one thread more', () => {
    expect(whatGrows([rest, { ...rest, descriptors: 21 }])).toEqual(['descriptors: 20 to 21, now a']);
    expect(whatGrows([rest, { ...rest, threads: 12 }])).toEqual(['threads: 11 to 12']);
    expect(whatGrows([rest, { ...rest, handles: ['PipeWrap', 'Timeout'] }])).toEqual([
      'handles: PipeWrap to PipeWrap Timeout',
    ]);
  });

  it('is more memory than the tolerance, from the first third of the samples to the last', () => {
    const samples = (...sizes: number[]) => sizes.map((rssMiB) => ({ ...rest, rssMiB }));
    expect(whatGrows(samples(100, 101, 102, 120, 130, 140, 100, 101 + RSS_TOLERANCE_MIB, 500))).toEqual([]);
    expect(whatGrows(samples(100, 101, 102, 120, 130, 140, 270, 271, 272))).toEqual([
      'resident memory: 101.0 to 271.0 MiB',
    ]);
    // One that stands out is no growth.
    expect(whatGrows(samples(100, 101, 102, 120, 130, 140, 110, 400, 111))).toEqual([]);
  });
});

describe('a soak', () => {
  it(
    'finds that everything holds and nothing grows',
    async () => {
      const { code, output } = await soak(['--minutes', String(effort(0.16, 5))]);
      expect(output).toContain('nothing grows');
      for (const what of ['events', 'rotations', 'followed', 'read', 'openings', 'refused openings', 'kills']) {
        expect(output).toMatch(new RegExp(`\\b${what} [1-9]`));
      }
      expect(code).toBe(0);
    },
    TIMEOUT_MS,
  );

  it(
    'fails where each round keeps what it should let go of',
    async () => {
      const { code, output } = await soak(['--minutes', '0.01', '--break', 'descriptor,handle,memory,store']);
      for (const what of ['descriptors', 'handles', 'resident memory', 'threads'])
        expect(output).toContain(`GROWS: ${what}`);
      expect(code).toBe(1);
    },
    TIMEOUT_MS,
  );

  it(
    'fails where an acknowledged event is not there',
    async () => {
      const { code, output } = await soak(['--minutes', '0.01', '--break', 'loss']);
      expect(output).toMatch(/FAILED: seed \d+, round 0, loadedStore .* never was acknowledged/);
      expect(code).toBe(1);
    },
    TIMEOUT_MS,
  );

  it(
    'ends with its summary when it is interrupted',
    async () => {
      const { code, output } = await soak(['--minutes', '0.5'], 'round 0');
      expect(output).toContain('interrupted');
      expect(output).toMatch(/rounds [12]\b/);
      expect(code).toBe(0);
    },
    TIMEOUT_MS,
  );
});
