/** The tags and causes of a record, which record.ts draws. */
import { LOCAL_CAUSE } from './record.js';

/** A cause as it is recorded: an id, or a distance within the append. */
export type RecordedCause = string | number;

/** The tags and causes of a record, whose lists begin at an offset. */
export function readLists(bytes: Buffer, view: DataView, at: number, lists: number): [string[], RecordedCause[]] {
  const tags: string[] = [];
  const causes: RecordedCause[] = [];
  let next = lists;
  for (let i = view.getUint8(at + 11); i > 0; i--) {
    const length = view.getUint16(next, true);
    tags.push(bytes.toString('utf8', next + 2, next + 2 + length));
    next += 2 + length;
  }
  for (let i = view.getUint8(at + 12); i > 0; i--) {
    const length = view.getUint16(next, true);
    if (length === LOCAL_CAUSE) {
      causes.push(view.getUint16(next + 2, true));
      next += 4;
    } else {
      causes.push(bytes.toString('utf8', next + 2, next + 2 + length));
      next += 2 + length;
    }
  }
  return [tags, causes];
}

/** Told of the tags and causes of a record, by where they are in its memory. */
export interface ListVisitor {
  onTag(start: number, end: number): void;
  onCause(start: number, end: number): void;
  /** A cause that is so many places before, in the same append. */
  onLocalCause(distance: number): void;
}

/** Go through the tags and causes of a record, whose lists begin at an offset. */
export function visitLists(view: DataView, at: number, lists: number, visitor: ListVisitor): void {
  let next = lists;
  for (let i = view.getUint8(at + 11); i > 0; i--) {
    const start = next + 2;
    next = start + view.getUint16(next, true);
    visitor.onTag(start, next);
  }
  for (let i = view.getUint8(at + 12); i > 0; i--) {
    const length = view.getUint16(next, true);
    const start = next + 2;
    if (length === LOCAL_CAUSE) {
      visitor.onLocalCause(view.getUint16(start, true));
      next = start + 2;
    } else {
      next = start + length;
      visitor.onCause(start, next);
    }
  }
}
