/** What opening a store found and did. */
export interface RecoveryReport {
  /** Whether the last writer had closed the store; true for a new one. */
  readonly clean: boolean;
  /** Bytes of a torn tail that were set aside, and the file that keeps them. */
  readonly tornBytes: number;
  readonly tornFile: string | undefined;
  /** Bytes that were written again because only the page cache may have held them. */
  readonly rewrittenBytes: number;
  /** Milliseconds from the beginning of opening until the store was ready. */
  readonly tookMs: number;
}
