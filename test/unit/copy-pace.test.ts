import { describe, expect, it } from 'vitest';
import { COPY_WORD } from '../../dist/shared/backup-jobs.js';
import { CopyPace } from '../../dist/workers/backup/pace.js';

/** A pace over a clock that moves when it is told to, and what it has waited for. */
function paced(onWait: (control: Int32Array) => void = () => {}): {
  pace: CopyPace;
  control: Int32Array;
  waits: number[];
  work(ms: number): void;
} {
  const control = new Int32Array(new SharedArrayBuffer(8));
  const waits: number[] = [];
  let nowMs = 0;
  const clock = {
    now: () => nowMs,
    wait(words: Int32Array, word: number, ms: number): void {
      expect(word).toBe(COPY_WORD.stop);
      waits.push(ms);
      nowMs += ms;
      onWait(words);
    },
  };
  return { pace: new CopyPace(control, clock), control, waits, work: (ms) => (nowMs += ms) };
}

describe('copying', () => {
  it('rests three times as long as each slice took while there are appends, and only then', () => {
    const { pace, control, waits, work } = paced();
    work(10);
    pace.pause();
    expect(waits).toEqual([]);
    Atomics.store(control, COPY_WORD.busy, 1);
    for (const ms of [10, 4]) {
      work(ms);
      pace.pause();
    }
    expect(waits).toEqual([30, 12]);
    Atomics.store(control, COPY_WORD.busy, 0);
    work(10);
    pace.pause();
    expect(waits).toEqual([30, 12]);
  });

  it('does not rest for ever where the disk hung', () => {
    const { pace, control, waits, work } = paced();
    Atomics.store(control, COPY_WORD.busy, 1);
    work(60_000);
    pace.pause();
    expect(waits).toEqual([1000]);
  });

  it('ends where it is asked to, also while it rests', () => {
    const { pace, control } = paced();
    Atomics.store(control, COPY_WORD.stop, 1);
    expect(() => pace.pause()).toThrow(expect.objectContaining({ code: 'ERR_ABORTED' }));
    const resting = paced((words) => void Atomics.store(words, COPY_WORD.stop, 1));
    Atomics.store(resting.control, COPY_WORD.busy, 1);
    resting.work(10);
    expect(() => resting.pace.pause()).toThrow(expect.objectContaining({ code: 'ERR_ABORTED' }));
  });
});
