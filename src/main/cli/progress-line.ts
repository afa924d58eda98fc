/** How far long work is: a bar on stderr where that is a terminal, else nothing. */

export interface ProgressLine {
  update(done: number, text: string): void;
  stop(): void;
}

/** @param total what `done` goes up to; 0 where that is not known */
export async function progressLine(label: string, total: number): Promise<ProgressLine> {
  if (process.stderr.isTTY !== true) return { update() {}, stop() {} };
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
