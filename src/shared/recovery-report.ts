/** What opening a store found and did. */
export interface RecoveryReport {
  /** Whether the last writer had closed the store; true for a new one. */
  readonly clean: boolean;
  /** Bytes of a torn tail that were set aside; they were never acknowledged as synced. 0 where there was none. */
  readonly tornBytes: number;
  /** The file that keeps them, in the store's directory; undefined where there was no torn tail. */
  readonly tornFile: string | undefined;
  /** Bytes of the log that were written again because only the page cache may have held them. */
  readonly rewrittenBytes: number;
  /** Milliseconds that the writer took to recover the directory; taking in heads and keys afterwards is not in it. */
  readonly tookMs: number;
}
