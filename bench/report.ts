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

/** What stands beside a figure: the floor of the same run, if there is one, and what is to be reached. */
export interface Beside {
  readonly floor?: number;
  readonly wanted?: string;
  /** How a figure is written; unless given, as a whole number. */
  readonly format?: (value: number) => string;
}

/** A table of one figure a row: the columns of {@link comparedRow}. */
export function comparedHead(what: string, floor: string, ...more: readonly string[]): string[] {
  return tableHead([what, 'median', 'lowest', 'highest', floor, 'ratio', ...more]);
}

/** A figure of several runs: its median, lowest and highest, and the ratio of the median to the floor. */
export function comparedRow(name: string, runs: readonly number[], beside: Beside): string {
  const { floor, wanted, format = whole } = beside;
  const middle = median(runs);
  return tableRow([
    name,
    ...[middle, Math.min(...runs), Math.max(...runs)].map(format),
    ...(floor === undefined ? ['', ''] : [format(floor), (middle / floor).toFixed(2)]),
    ...(wanted === undefined ? [] : [wanted]),
  ]);
}

/** The lowest and the highest of several runs. */
export function spread(runs: readonly number[], format: (value: number) => string = whole): string {
  return `${format(Math.min(...runs))} to ${format(Math.max(...runs))}`;
}

/** So many digits after the point. */
export function digits(count: number): (value: number) => string {
  return (value) => value.toFixed(count);
}
