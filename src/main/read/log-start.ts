/** Where the log begins: what was before, retention has removed. */
import type { Manifest } from '../../shared/format/manifest.js';
import { KeeperError } from '../../shared/portable/errors.js';
import { Leases } from './leases.js';

type Start = Pick<Manifest, 'firstSegment' | 'floor'>;

export class LogStart {
  /** Who reads, and from where on. */
  readonly leases = new Leases();
  readonly #read: (() => Start | undefined) | undefined;
  #start: Start;

  /** @param read looks where it begins by now, where another process may move it */
  constructor(start: Start, read?: () => Start | undefined) {
    this.#start = start;
    this.#read = read;
  }

  /** The lowest sequence there is. */
  get floor(): number {
    return this.#start.floor;
  }

  get firstSegment(): number {
    return this.#start.firstSegment;
  }

  moveTo({ firstSegment, floor }: Start): void {
    this.#start = { firstSegment, floor };
  }

  /**
   * Where another process has moved it to, if it has.
   * @param isLikely whether that is to be looked up
   */
  moved(isLikely: () => boolean): Start | undefined {
    const start = this.#read !== undefined && isLikely() ? this.#read() : undefined;
    return start !== undefined && start.firstSegment > this.firstSegment ? start : undefined;
  }

  /** @throws ERR_PRUNED where a sequence is below the floor */
  check(sequence: number): void {
    if (sequence < this.floor) throw this.pruned(sequence);
  }

  /** Whether retention has removed a segment, or is about to. */
  isBehind({ number }: { readonly number: number }): boolean {
    return number < this.firstSegment;
  }

  /** @throws ERR_PRUNED where retention has removed a segment */
  checkSegment(segment: { readonly number: number; readonly firstSequence: number }): void {
    if (this.isBehind(segment)) throw this.pruned(segment.firstSequence);
  }

  pruned(sequence: number): KeeperError {
    const { floor } = this;
    return new KeeperError('ERR_PRUNED', `sequence ${sequence} is below the retention floor ${floor}`, {
      floor,
      hint: "What was below is gone. 'start' stands for the first event that there is.",
    });
  }
}
