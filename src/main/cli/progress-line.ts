/** How far long work is: a bar on a terminal, else a line every few seconds. On stderr, always. */
import { note } from './output.js';

/** Between lines where stderr is no terminal. Unit: milliseconds. */
const PLAIN_MS = 5000;

export interface ProgressLine {
  update(done: number, text: string): void;
  stop(): void;
}

/** @param total what `done` goes up to; 0 where that is not known */
export async function progressLine(label: string, total: number): Promise<ProgressLine> {
  if (process.stderr.isTTY !== true) return plainLine(label, total);
  const { default: progress } = await import('cli-progress');
  const format = total > 0 ? '{label} {bar} {percentage}% {text}' : '{label} {text}';
  const bar = new progress.SingleBar(
    { format, stream: process.stderr, hideCursor: true, clearOnComplete: false, barsize: 24 },
    progress.Presets.shades_classic,
  );
  bar.start(Math.max(1, total), 0, { label, text: '' });
  return {
    update: (done, text) => bar.update(done, { text }),
    stop: () => bar.stop(),
  };
}

function plainLine(label: string, total: number): ProgressLine {
  let next = performance.now() + PLAIN_MS;
  return {
    update(done, text) {
      if (performance.now() < next) return;
      next = performance.now() + PLAIN_MS;
      note(`${label}${total > 0 ? ` ${Math.floor((100 * done) / total)}%` : ''} ${text}`);
    },
    stop() {},
  };
}
