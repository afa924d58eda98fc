/** What a verification finds. */

/** Something that does not verify. */
export interface Problem {
  /** Damage, a file that could not be read, or one of another program's format. */
  readonly code: 'ERR_CORRUPT' | 'ERR_STORAGE' | 'ERR_UNSUPPORTED_FORMAT';
  /** For people. */
  readonly message: string;
  /** The path of the file. */
  readonly file: string;
  /** Bytes from the file's start; absent where no place is known. */
  readonly offset?: number;
  /** The first event that is hit, where that is known. */
  readonly firstSequence?: number;
  /** The last one, inclusive. */
  readonly lastSequence?: number;
}
