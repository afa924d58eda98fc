/** Gives calls their results, as soon as they are as durable as each has asked for. */
import type { KeeperError } from '../../shared/portable/errors.js';
import { WORD } from '../../shared/ring/layout.js';
import type { Call } from './call.js';
import { EventIds } from './event-ids.js';
import type { Pending } from './pending.js';
import { type WriterLink, writtenPosition } from './writer-link.js';

export class Results {
  readonly #ids: EventIds;
  readonly #pending: Pending;
  readonly #link: WriterLink;
  /** Calls that wait for `written` alone. */
  #wantWritten = 0;

  constructor(nodeId: string, pending: Pending, link: WriterLink) {
    this.#ids = new EventIds(nodeId);
    this.#pending = pending;
    this.#link = link;
  }

  /** Give a call what it can have already; what follows comes with {@link settleWritten} and {@link finish}. */
  follow(call: Call): void {
    const { admitted } = call;
    switch (admitted?.kind) {
      case undefined:
        return;
      case 'accepted':
        if (call.flags.durability === 'accepted') call.resolve(call.result(this.#ids, 'accepted'));
        else if (call.flags.durability === 'written') {
          this.#countWritten(1);
          // It may be written already: the writer did not know then that somebody waits for that.
          this.settleWritten();
        }
        return;
      case 'repeats':
        admitted.pending.whenDone((error) => {
          if (error !== undefined) call.reject(error);
          else call.resolve(admitted.pending.result(this.#ids, 'synced', call));
        });
        return;
      case 'repeated':
        call.resolve(admitted.result);
    }
  }

  /** The ids of a call that was accepted, or repeats one that was. */
  idsOf(call: Call): readonly string[] {
    const { admitted } = call;
    if (admitted?.kind === 'repeated') return admitted.result.ids;
    return (admitted?.kind === 'repeats' ? admitted.pending : call).result(this.#ids, 'accepted').ids;
  }

  /** See what is written, if somebody waits for that. */
  settleWritten(): void {
    if (this.#wantWritten === 0) return;
    this.#pending.forEachWritten(writtenPosition(this.#link.state), (call) => {
      if (call.flags.durability !== 'written') return;
      call.writtenSeen = true;
      this.#countWritten(-1);
      call.resolve(call.result(this.#ids, 'written'));
    });
  }

  /** The call is durable, or has failed for good. */
  finish(call: Call, error: KeeperError | undefined): void {
    if (call.flags.durability === 'written' && !call.writtenSeen) this.#countWritten(-1);
    if (error === undefined) call.resolve(call.result(this.#ids, 'synced'));
    else call.reject(error);
    call.end(error);
  }

  #countWritten(change: 1 | -1): void {
    this.#wantWritten += change;
    Atomics.store(this.#link.state.words, WORD.wantWritten, this.#wantWritten > 0 ? 1 : 0);
  }
}
