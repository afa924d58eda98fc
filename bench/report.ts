/** What the benches print: the line about the machine, figures and tables in Markdown. */
import os from 'node:os';

/** The head of a report: a title, the machine, and what the figures are. */
export function head(title: string, ...about: readonly string[]): string[] {
  const cpu = os.cpus()[0]?.model ?? 'unknown';
  return [
    `# ${title}, ${new Date().toISOString().slice(0, 10)}`,
    '',
    `Node ${process.version}, ${os.availableParallelism()} cores (${cpu}), ${os.type()} ${os.release()}.`,
    ...about,
  ];
}

/** The first column is text, the others are figures, but for the last if it says what is to be reached. */
export function tableHead(columns: readonly string[]): string[] {
  const rule = columns.map((name, i) => (i === 0 || name === 'to reach' ? '---' : '---:'));
  return ['', tableRow(columns), tableRow(rule)];
}

export function tableRow(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

/** A whole number with separators. */
export function whole(value: number): string {
  return Math.round(value).toLocaleString('en');
}

/** The middle one of an odd number of values. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}
