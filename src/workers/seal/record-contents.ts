/** What records hold: payloads that decode, and in each stream revisions without a gap. */
import { NameHasher } from '../../shared/format/name-hash.js';
import { decodePayload, PAYLOAD } from '../../shared/format/payload.js';
import {
  type Memory,
  recordDataCodec,
  recordParts,
  recordRevision,
  recordSequence,
} from '../../shared/format/record.js';
import { type Missing, revisionGap } from '../../shared/revision-gap.js';
import { SPAN_NUMBERS, type StreamSpans } from '../../shared/seal-tasks.js';

interface Span {
  readonly firstRevision: number;
  readonly firstSequence: number;
  lastRevision: number;
  lastSequence: number;
}

export class RecordContents {
  readonly #names: NameHasher;
  readonly #missing: readonly Missing[];
  readonly #spans = new Map<string, Span>();

  private constructor(names: NameHasher, missing: readonly Missing[]) {
    this.#names = names;
    this.#missing = missing;
  }

  /** @param missing what is known to be missing, which may grow */
  static async create(missing: readonly Missing[]): Promise<RecordContents> {
    // The hash only tells streams apart here: any key will do.
    return new RecordContents(await NameHasher.create(Buffer.alloc(32)), missing);
  }

  /** Check the next record, which verifies. */
  check(memory: Memory, at: number, report: (message: string) => void): void {
    const { bytes, view } = memory;
    const sequence = recordSequence(view, at);
    const parts = recordParts(view, at);
    try {
      decodePayload(recordDataCodec(view, at), bytes, parts.data, parts.end);
      if (parts.metadata !== parts.data) decodePayload(PAYLOAD.msgpack, bytes, parts.metadata, parts.data);
    } catch (error) {
      report(`the payload of sequence ${sequence} does not decode: ${(error as Error).message}`);
    }
    this.#follow(bytes.toString('utf8', parts.stream, parts.type), recordRevision(view, at), sequence, report);
  }

  #follow(stream: string, revision: number, sequence: number, report: (message: string) => void): void {
    const span = this.#spans.get(stream);
    if (span === undefined) {
      const [firstRevision, firstSequence] = [revision, sequence];
      this.#spans.set(stream, { firstRevision, firstSequence, lastRevision: revision, lastSequence: sequence });
      return;
    }
    const message = revisionGap(span.lastRevision, span.lastSequence, revision, sequence, this.#missing);
    if (message !== undefined) report(message);
    span.lastRevision = revision;
    span.lastSequence = sequence;
  }

  /** The streams that were met, from their first record to their last. */
  streams(): StreamSpans {
    const hashes = new Uint32Array(this.#spans.size * 4);
    const numbers = new Float64Array(this.#spans.size * SPAN_NUMBERS);
    let i = 0;
    for (const [stream, { firstRevision, firstSequence, lastRevision, lastSequence }] of this.#spans) {
      hashes.set(this.#names.hash(stream), i * 4);
      numbers.set([firstRevision, firstSequence, lastRevision, lastSequence], i * SPAN_NUMBERS);
      i++;
    }
    return { hashes, numbers };
  }
}
