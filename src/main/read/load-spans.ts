/** Reading spans of a segment: some together, and the next ones while those before them are looked at. */
import { type Memory, memoryOf } from '../../shared/format/record.js';
import type { Records } from './records.js';
import type { Segment } from './segment.js';
import type { Steps } from './segment-blocks.js';
import type { Span } from './spans.js';

/** Spans that are read together: one at first, and twice as many each time up to so many, with no more bytes than that. */
const MOST_SPANS = 64;
const TOGETHER_BYTES = 256 * 1024;

/** Some spans, and the bytes of one behind those of the other, none of them verified. */
export interface LoadedSpans {
  readonly spans: readonly Span[];
  readonly memory: Memory;
}

/** Spans in their order, with their bytes. */
export async function* loadAhead(
  records: Records,
  segment: Segment,
  spans: Iterator<Span>,
): AsyncGenerator<LoadedSpans> {
  const groups = together(spans);
  const begin = (): { spans: readonly Span[]; loading: Promise<Memory> } | undefined => {
    const { done, value: group } = groups.next();
    if (done === true) return undefined;
    const loading = records.loadBytes(segment, bytesOf(group));
    loading.catch(() => {}); // raised where it is awaited, if that still happens
    return { spans: group, loading };
  };
  for (let next = begin(); next !== undefined; ) {
    const { spans: group, loading } = next;
    const memory = await loading;
    next = begin();
    yield { spans: group, memory };
  }
}

/** More and more spans at a time, as more of them are wanted. */
function* together(spans: Iterator<Span>): Generator<readonly Span[]> {
  let group: Span[] = [];
  let bytes = 0;
  let most = 1;
  for (let next = spans.next(); next.done !== true; next = spans.next()) {
    const length = next.value.end - next.value.offset;
    if (group.length === most || (group.length > 0 && bytes + length > TOGETHER_BYTES)) {
      yield group;
      group = [];
      bytes = 0;
      most = Math.min(2 * most, MOST_SPANS);
    }
    group.push(next.value);
    bytes += length;
  }
  if (group.length > 0) yield group;
}

/** Parts of a segment's file, one behind the other in some memory, none of them verified. */
export function* bytesOf(parts: readonly Pick<Span, 'offset' | 'end'>[]): Steps<Memory> {
  const [only] = parts;
  if (parts.length === 1) return memoryOf(yield { offset: only!.offset, length: only!.end - only!.offset });
  const bytes = Buffer.allocUnsafeSlow(parts.reduce((sum, { offset, end }) => sum + end - offset, 0));
  let at = 0;
  for (const { offset, end } of parts) {
    const into = bytes.subarray(at, at + end - offset);
    const read = yield { offset, length: into.length, into };
    // Whatever was there before is none of it.
    into.fill(0, read.length);
    at += into.length;
  }
  return memoryOf(bytes);
}
