/**
 * The causes of a segment's records that are ids of own events, by their numbers: an index that has a value of each would take
 * ten times as much. Looked through from one end to the other.
 */
import { formatOwnId, type OwnId, ownIdIn } from '../../shared/format/index-keys.js';
import { Numbers } from './numbers.js';

const TWO_32 = 2 ** 32;

export class RawCauses {
  readonly #nodeId: string;
  readonly #seconds = new Numbers();
  readonly #ns = new Numbers();
  /** The two halves of a sequence. */
  readonly #low = new Numbers();
  readonly #high = new Numbers();
  readonly #ordinals = new Numbers();

  constructor(nodeId: string) {
    this.#nodeId = nodeId;
  }

  /** Returns how many bytes the memory has grown by. A cause that a record has twice is taken once. */
  add({ seconds, ns, sequence }: OwnId, ordinal: number): number {
    for (let i = this.#ordinals.count - 1; i >= 0 && this.#ordinals.at(i) === ordinal; i--) {
      if (this.#sequenceAt(i) === sequence && this.#ns.at(i) === ns && this.#seconds.at(i) === seconds) return 0;
    }
    const grown = this.#seconds.push(seconds) + this.#ns.push(ns) + this.#ordinals.push(ordinal);
    return grown + this.#low.push(sequence % TWO_32) + this.#high.push(Math.floor(sequence / TWO_32));
  }

  /** The records of one, ascending. */
  ofValue(cause: string): Uint32Array {
    const id = ownIdIn(cause, this.#nodeId);
    if (id === undefined) return new Uint32Array(0);
    const found = new Numbers();
    for (let i = 0; i < this.#ordinals.count; i++) {
      if (this.#ns.at(i) === id.ns && this.#seconds.at(i) === id.seconds && this.#sequenceAt(i) === id.sequence) {
        found.push(this.#ordinals.at(i));
      }
    }
    return found.values;
  }

  /** The records of each with a prefix, ascending. */
  withPrefix(prefix: string): Map<string, Uint32Array> {
    const lists = new Map<string, Numbers>();
    for (let i = 0; i < this.#ordinals.count; i++) {
      const cause = formatOwnId(this.#idAt(i), this.#nodeId);
      if (!cause.startsWith(prefix)) continue;
      const list = lists.get(cause) ?? new Numbers();
      lists.set(cause, list);
      list.push(this.#ordinals.at(i));
    }
    return new Map(Array.from(lists, ([cause, list]) => [cause, list.values]));
  }

  #idAt(i: number): OwnId {
    return { seconds: this.#seconds.at(i), ns: this.#ns.at(i), sequence: this.#sequenceAt(i) };
  }

  #sequenceAt(i: number): number {
    return this.#high.at(i) * TWO_32 + this.#low.at(i);
  }
}
