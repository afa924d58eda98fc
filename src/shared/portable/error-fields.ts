/** The codes that errors carry, and what comes with each. */

/** Each code: when it is raised, and the fields that its error has beside those of every KeeperError. */
export interface ErrorFields {
  /** An option that is unknown, of the wrong kind or out of range. */
  ERR_INVALID_OPTIONS: {
    /** The option's name: `idempotency.maxKeys`. */
    path: string;
  };
  /** An event, or a call that appends, that cannot be taken. */
  ERR_INVALID_EVENT: {
    /** Where in the call: `events[1].data.when`. */
    path: string;
  };
  /** A selector, a query, a bound or an option of a read that cannot be meant, or rows that were read already. */
  ERR_INVALID_QUERY: {
    /** Where in the call: `selector.tags[0]`, `where.or[1]['data.n'].gt`; `query[17]` for a place in CEL text. */
    path: string;
  };
  /** An event of more than `maxEventBytes`. */
  ERR_EVENT_TOO_LARGE: {
    /** As many as it takes, at least. */
    bytes: number;
    /** In bytes as well. */
    limit: number;
  };
  /** A call of more than `maxBatchBytes` or `maxBatchEvents`. */
  ERR_BATCH_TOO_LARGE: {
    /** As many as it takes, at least; 0 where it has too many events. */
    bytes: number;
    /** In bytes, or in events where it has too many of them. */
    limit: number;
  };
  /** `expect` does not hold. */
  ERR_CONFLICT: {
    /** The first stream of the call for which it does not. */
    stream: string;
    /** As given. */
    expected: number | 'none' | 'exists';
    /** The last accepted revision, durable or not; `'none'` where the stream has no events. */
    actual: number | 'none';
  };
  /** An event that matches the condition exists, durable or not. */
  ERR_CONDITION_FAILED: {
    /** Where one of them stands. */
    sequence: number;
  };
  /** A known idempotency key with another body, or a call that mixes known and new keys. */
  ERR_IDEMPOTENCY_REUSED: {
    /** The key. */
    key: string;
  };
  /** Too much waits to be written; nothing was appended. */
  ERR_BACKPRESSURE: {
    /** When to try again. Milliseconds, a guess. */
    retryAfterMs: number;
    /** Always `'open'`: the store takes appends again as soon as there is room. */
    mode: string;
  };
  /** The disk is full and writes are suspended; nothing was appended. */
  ERR_DEGRADED: {
    /** When to try again. Milliseconds, a guess: writes resume by themselves. */
    retryAfterMs: number;
    /** Always `'suspended'`. */
    mode: string;
  };
  /** Not raised by this version. */
  ERR_RATE_LIMITED: {
    /** When to try again. Milliseconds. */
    retryAfterMs: number;
    /** What the store is doing. */
    mode: string;
  };
  /** Another opener holds the directory for writing. */
  ERR_LOCKED: {
    /** Process id of the holder; 0 where it is not known. */
    pid: number;
    /** The holder's host; empty where it is not known. */
    host: string;
    /** Since when, ISO 8601; empty where it is not known. */
    since: string;
  };
  /** Bytes that were durable do not verify. */
  ERR_CORRUPT: {
    /** The path of the file. */
    file: string;
    /** Bytes from the file's start. */
    offset: number;
    /** The first event that is hit; 0 where that is not known. */
    firstSequence: number;
    /** The last one, inclusive; 0 where that is not known. */
    lastSequence: number;
  };
  /** A system call failed. On appends this is final until the store is closed and opened again. */
  ERR_STORAGE: {
    /** The name of the error: `EIO`. */
    errno: string;
    /** The call: `fdatasync`; `worker` where the writer's thread has ended. */
    syscall: string;
  };
  /** The place is below the retention floor. */
  ERR_PRUNED: {
    /** The lowest sequence there is. */
    floor: number;
  };
  /** A proof or a checkpoint that does not hold, or is none. */
  ERR_UNVERIFIED: {
    /**
     * What about it. `'form'`: it is none. `'key'`: no trusted key has signed. `'signature'`: one is said to have, and has not.
     * `'origin'`: it is another log's. `'range'`: the event, or the older checkpoint, lies outside. `'root'`: the hashes do not
     * lead to the root that was signed.
     */
    reason: 'form' | 'key' | 'signature' | 'origin' | 'range' | 'root';
  };
  /** A file of a format that this program does not read. */
  ERR_UNSUPPORTED_FORMAT: {
    /** The format that the file names. */
    found: string;
    /** The format that this program reads. */
    supported: string;
  };
  /** There is no event with the id that a bound names; or, opening with `readOnly`, no store in the directory. */
  ERR_NOT_FOUND: object;
  /** The store was closed. */
  ERR_CLOSED: object;
  /** Not raised by this version. */
  ERR_TIMEOUT: object;
  /** The call's signal was aborted. The error's `name` is `'AbortError'`, its `cause` the signal's reason. */
  ERR_ABORTED: object;
  /** Not raised by this version. */
  ERR_UNAUTHENTICATED: {
    /** What was wanted. */
    permission: string;
  };
  /** Not raised by this version. */
  ERR_FORBIDDEN: {
    /** What was wanted. */
    permission: string;
  };
}
