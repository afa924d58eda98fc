/** The audit tree's part of a deep `verify`: that its tiles lead to the root that was signed, and that it has what was removed. */
import path from 'node:path';
import { sequencesOf } from '../shared/audit/check.js';
import { TREE_FILE } from '../shared/format/file-names.js';
import { aborted, isKeeperError } from '../shared/portable/errors.js';
import type { Problem } from '../shared/problem.js';
import type { TreeResults } from '../shared/tree-tasks.js';
import { withTries } from './seal/pool.js';
import type { VerifyOptions } from './store-types.js';
import type { VerifyParts } from './verify.js';
import { problemOf } from './verify-problem.js';

type Checked = TreeResults['check'];

export class TreeCheck {
  readonly #parts: VerifyParts;
  readonly #signal: AbortSignal | undefined;
  readonly #problems = new Map<string, Problem>();
  #ended = false;

  constructor(parts: VerifyParts, { signal }: VerifyOptions) {
    this.#parts = parts;
    this.#signal = signal;
  }

  /** Go through all tiles. The records are compared with them where they are verified. */
  async run(): Promise<void> {
    for (let from: number | undefined = 0; from !== undefined && from !== Infinity && !this.#ended; ) {
      const checked: Checked | undefined = await this.#check(from);
      from = checked?.to;
    }
  }

  /** What was found, and, once the log was looked at, whether the tree has what is not in that any more. */
  async problems(lastRemoved: number): Promise<Problem[]> {
    if (this.#problems.size > 0 || lastRemoved === 0) return [...this.#problems.values()];
    const checked = await this.#check(Infinity);
    if (checked !== undefined && checked.size < lastRemoved) {
      const what =
        `the audit tree that had the digests of what was removed, up to ${lastRemoved}, is lost: ` +
        'a repair, or the next checkpoint, makes it anew of the tiles that are left, or says what to do';
      this.#add(problemOf('ERR_CORRUPT', what, this.#file, undefined, checked.size + 1, lastRemoved));
    }
    return [...this.#problems.values()];
  }

  /** There is no more to do. */
  end(): void {
    this.#ended = true;
  }

  get #file(): string {
    return path.join(this.#parts.work.dir, TREE_FILE);
  }

  async #check(from: number): Promise<Checked | undefined> {
    const { pool, work, checkOpen } = this.#parts;
    if (this.#signal?.aborted === true) throw aborted(this.#signal, 'the verification');
    const task = { kind: 'tree', ...work, number: 0, step: { step: 'check', from, end: Infinity } } as const;
    try {
      const checked = (await withTries(() => pool.run(task))) as Checked;
      for (const { file, why, place } of checked.damaged) {
        const { firstSequence, lastSequence } = sequencesOf(place);
        this.#add(problemOf('ERR_CORRUPT', why, file, undefined, firstSequence, lastSequence));
      }
      return checked;
    } catch (error) {
      checkOpen();
      if (!isKeeperError(error)) throw error;
      const code = error.code === 'ERR_CORRUPT' || error.code === 'ERR_UNSUPPORTED_FORMAT' ? error.code : 'ERR_STORAGE';
      const file = isKeeperError(error, 'ERR_CORRUPT') ? error.file : this.#file;
      this.#add(problemOf(code, error.message, file));
      return undefined;
    }
  }

  #add(problem: Problem): void {
    this.#problems.set(problem.file, problem);
  }
}
