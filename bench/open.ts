/**
 * Opening after kill -9 with 100 MiB (or --mib) in the active segment: small events, so that as many heads as possible are to be
 * replayed. A child process writes and is killed; the opening is timed here, beside two bare threads and a bare read of the
 * same bytes; medians of three.
 *
 *     node build/bench/open.js [--mib N] [--runs N] [--dir DIR]
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openStore } from 'keeperlog';
import { bareScan, bareThreads } from './bare.js';
import { small } from './events.js';
import { comparedHead, comparedRow, head, median, whole } from './report.js';

const MiB = 1024 * 1024;
const OPTIONS = { segmentBytes: 256 * MiB };

if (process.argv[2] === 'child') await child(process.argv[3]!, Number(process.argv[4]));
else await parent();

/** Writes until the log is large enough, says so, and waits to be killed with an append under way. */
async function child(dir: string, logBytes: number): Promise<void> {
  const store = await openStore({ dir, ...OPTIONS });
  const batch = Array.from({ length: 100 }, () => small()[0]!);
  while (store.stats().bytes < logBytes) {
    await Promise.all(Array.from({ length: 64 }, (_, i) => store.append(`agent-${i}`, batch)));
  }
  process.send!(store.stats().durable);
  for (;;) await store.append('agent-0', batch);
}

async function parent(): Promise<void> {
  const { values } = parseArgs({
    options: {
      mib: { type: 'string', default: '100' },
      runs: { type: 'string', default: '3' },
      dir: { type: 'string', default: '.' },
    },
  });
  const opened: { ms: number; threads: number; bytes: number; events: number; recoveryMs: number }[] = [];
  for (let run = 0; run < Number(values.runs); run++) {
    const dir = fs.mkdtempSync(path.join(path.resolve(values.dir), 'bench-open-'));
    try {
      const writer: ChildProcess = fork(fileURLToPath(import.meta.url), [
        'child',
        dir,
        String(Number(values.mib) * MiB),
      ]);
      const [acknowledged] = (await once(writer, 'message')) as [number];
      writer.kill('SIGKILL');
      await once(writer, 'exit');
      const began = performance.now();
      const store = await openStore({ dir, ...OPTIONS });
      const ms = performance.now() - began;
      const { durable, recovery, bytes: logBytes } = store.stats();
      if (durable < acknowledged) throw new Error(`lost events: ${acknowledged} acknowledged, ${durable} found`);
      await store.close();
      const floors = { threads: await bareThreads(), bytes: bareScan(dir, logBytes) };
      opened.push({ ms, ...floors, events: durable, recoveryMs: recovery.tookMs });
    } finally {
      fs.rmSync(dir, { recursive: true, force: true });
    }
  }
  const of = (key: keyof (typeof opened)[number]): number[] => opened.map((run) => run[key]);
  const [threads, bytes] = [median(of('threads')), median(of('bytes'))];
  const lines = head(
    `Opening after kill -9, ${values.mib} MiB in the active segment`,
    `Medians of ${values.runs} runs; milliseconds. ${whole(median(of('events')))} events are found again. The floor: two bare threads started, and`,
    'the same bytes read, and their CRC-32.',
  );
  lines.push(
    ...comparedHead('what', 'floor', 'to reach'),
    comparedRow('open', of('ms'), { floor: threads + bytes, wanted: '<= 1,000 ms' }),
    comparedRow('of it recovery', of('recoveryMs'), { floor: bytes, wanted: '' }),
  );
  process.stdout.write(`${lines.join('\n')}\n`);
}
