/** Lines of a stream of bytes, with the bytes they take, so that a later run can begin behind any of them. */
import { crc32 } from 'node:zlib';
import { EXIT, Refusal } from '../failure.js';

/** Longer lines are refused: a line is held in memory. Unit: bytes. */
const MAX_LINE_BYTES = 64 * 1024 * 1024;
const LF = 0x0a;

/** A line as it stands in the input. */
export interface Line {
  /** With its end. */
  readonly bytes: Buffer;
  /** Whether it has an end; the last line of an input may have none. */
  readonly ended: boolean;
}

export class LineReader {
  readonly #chunks: AsyncIterator<Buffer>;
  readonly #stopped: () => boolean;
  /** Bytes that were read and belong to what comes next. */
  #rest: Buffer[] = [];
  #restBytes = 0;
  /** Whether these may have whole lines. */
  #unsplit = false;

  /** @param stopped whether an error of the input is only its having been closed on purpose */
  constructor(input: AsyncIterable<Buffer>, stopped: () => boolean) {
    this.#chunks = input[Symbol.asyncIterator]();
    this.#stopped = stopped;
  }

  /** Pass over bytes. Returns their checksum, or undefined if there are fewer. */
  async skip(count: number): Promise<number | undefined> {
    this.#unsplit = true;
    let checksum = 0;
    for (let left = count; left > 0; ) {
      const chunk = this.#takeRest() ?? (await this.#pull());
      if (chunk === undefined) return undefined;
      const taken = chunk.subarray(0, left);
      checksum = crc32(taken, checksum);
      left -= taken.length;
      this.#keep(chunk.subarray(taken.length));
    }
    return checksum;
  }

  /** Pass over one line end, if the input goes on with it. Returns its bytes; undefined where something else stands. */
  async skipLineEnd(): Promise<Buffer | undefined> {
    this.#unsplit = true;
    let start = this.#takeRest() ?? Buffer.alloc(0);
    while (start.length < 2) {
      const chunk = await this.#pull();
      if (chunk === undefined) break;
      start = Buffer.concat([start, chunk]);
    }
    const length = start[0] === LF ? 1 : start[0] === 0x0d && start[1] === LF ? 2 : 0;
    this.#keep(start.subarray(length));
    return length === 0 && start.length > 0 ? undefined : start.subarray(0, length);
  }

  /** The lines that the next piece of the input completes; undefined at its end, or once it was stopped. */
  async next(): Promise<Line[] | undefined> {
    if (this.#unsplit) {
      this.#unsplit = false;
      const rest = this.#takeRest();
      if (rest !== undefined) return this.#linesOf(rest);
    }
    const chunk = await this.#pull();
    if (this.#stopped()) return undefined;
    if (chunk === undefined) {
      const last = this.#takeRest();
      return last === undefined ? undefined : [{ bytes: last, ended: false }];
    }
    this.#keep(chunk);
    // A long line is put together once, when its end has come.
    if (chunk.includes(LF)) return this.#linesOf(this.#takeRest()!);
    if (this.#restBytes > MAX_LINE_BYTES) throw tooLong();
    return [];
  }

  #linesOf(bytes: Buffer): Line[] {
    const lines: Line[] = [];
    let start = 0;
    for (let end = bytes.indexOf(LF); end !== -1; end = bytes.indexOf(LF, start)) {
      lines.push({ bytes: bytes.subarray(start, end + 1), ended: true });
      start = end + 1;
    }
    this.#keep(bytes.subarray(start));
    return lines;
  }

  async #pull(): Promise<Buffer | undefined> {
    try {
      const { value, done } = await this.#chunks.next();
      return done === true ? undefined : value;
    } catch (error) {
      if (this.#stopped()) return undefined;
      throw error;
    }
  }

  #keep(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#rest.push(bytes);
    this.#restBytes += bytes.length;
  }

  #takeRest(): Buffer | undefined {
    if (this.#rest.length === 0) return undefined;
    const rest = this.#rest.length === 1 ? this.#rest[0]! : Buffer.concat(this.#rest);
    this.#rest = [];
    this.#restBytes = 0;
    return rest;
  }
}

function tooLong(): Refusal {
  return new Refusal(EXIT.failed, `a line is longer than ${MAX_LINE_BYTES} bytes`, 'ingest --help');
}
