/** Data to stdout, everything else to stderr. */
import type { RecordedEvent } from '../../shared/portable/events.js';
import type { SequenceRange } from '../../shared/portable/log.js';
import { codeOf, EXIT, type Failure } from './failure.js';

/** Where terminals are narrower, or unknown. Unit: columns. */
const MIN_COLUMNS = 60;

const useColor = (stream: NodeJS.WriteStream): boolean =>
  stream.isTTY === true && (process.env.NO_COLOR ?? '') === '' && process.env.TERM !== 'dumb';

/** Ends quietly when nobody reads on: `keeperlog read | head`. */
export function endOnClosedPipe(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    tellFailure(unwritten(error), process.argv.includes('--json'));
    process.exit(EXIT.failed);
  });
}

function unwritten(error: NodeJS.ErrnoException): Failure {
  const message = `the output cannot be written: ${error.message}`;
  const facts = { code: codeOf(EXIT.failed), errno: error.code };
  return { exitCode: EXIT.failed, message, hint: 'Nothing in the store was lost.', next: 'keeperlog doctor', facts };
}

/** Write a line of data. Awaited, it waits until a slow reader has caught up. */
export function data(line: string): Promise<void> | undefined {
  if (process.stdout.write(`${line}\n`)) return undefined;
  return new Promise((resolve) => process.stdout.once('drain', resolve));
}

/** Write a line that is not data. */
export function note(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Tell a failure, as text or as one line of JSON. */
export function tellFailure(failure: Failure, json: boolean): void {
  const { exitCode, message, hint, next, facts } = failure;
  if (json) {
    note(toJson({ error: { ...facts, message, hint, next, exitCode } }));
    return;
  }
  note(`${paint(process.stderr, 31, 'error:')} ${printable(message)}`);
  if (hint !== '') note(printable(hint));
  note(`${paint(process.stderr, 2, 'try:')} ${printable(next)}`);
}

/** An event: as JSON, or as one line to look at, which is cut on a terminal. */
export function eventLine(event: RecordedEvent, json: boolean): string {
  if (json) return toJson(event.toJSON());
  const { sequence, time, stream, type, tags } = event;
  const out = process.stdout;
  const parts = [
    paint(out, 2, `${sequence} ${time.toISOString()}`),
    paint(out, 36, printable(stream)),
    paint(out, 33, printable(type)),
    ...(tags.length > 0 ? [paint(out, 2, printable(`[${tags.join(' ')}]`))] : []),
  ];
  const content = printable(toJson(event.data));
  if (out.isTTY !== true) return [...parts, content].join(' ');
  const before = `${sequence} ${time.toISOString()} ${stream} ${type} ${tags.join(' ')}   `.length;
  const room = Math.max(MIN_COLUMNS, out.columns) - before;
  const shown = content.length <= room ? content : `${content.slice(0, Math.max(0, room - 1))}…`;
  return [...parts, shown].join(' ');
}

/** JSON in which integers beyond a number are decimal strings and bytes are base64. */
export function toJson(value: unknown, indent?: number): string {
  return JSON.stringify(
    value,
    (_, member: unknown) => {
      if (typeof member === 'bigint') return String(member);
      return member instanceof Uint8Array ? Buffer.from(member).toString('base64') : member;
    },
    indent,
  );
}

/** A text that cannot steer a terminal. */
export function printable(text: string): string {
  return text.replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

export function bytesText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${power === 0 ? bytes : (bytes / 1024 ** power).toFixed(1)} ${units[power]}`;
}

export function countText(count: number): string {
  return Math.round(count).toLocaleString('en-US');
}

export function rangeText({ firstSequence, lastSequence }: SequenceRange): string {
  return firstSequence === lastSequence ? `sequence ${firstSequence}` : `sequences ${firstSequence} to ${lastSequence}`;
}

/** Lines of a name and a value, one below the other. */
export function table(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${printable(value)}`).join('\n');
}

/** A text in a colour of the terminal, by its number, where there is one. */
export function paint(stream: NodeJS.WriteStream, code: number, text: string): string {
  return useColor(stream) ? `\u001b[${code}m${text}\u001b[0m` : text;
}
