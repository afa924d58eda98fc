/** From CEL text to a predicate. The language's parser is loaded by the first text that comes. */
import { type CelNode, fromCel, placePath } from '../../../shared/portable/query/from-cel.js';
import type { Predicate } from '../../../shared/portable/query/predicate.js';
import { refuse } from '../../../shared/portable/query/refusal.js';

/** @throws ERR_INVALID_QUERY with the place in the text as the path: `query[17]` */
export async function parseCel(text: string): Promise<Predicate> {
  const { ParseError, parse } = await import('@marcbachmann/cel-js');
  let root: CelNode;
  try {
    root = parse(text).ast;
  } catch (error) {
    if (error instanceof ParseError) {
      throw refuse(placePath(error.range?.start ?? 0), `is not CEL: ${error.summary}`);
    }
    // The parser calls itself for each operator that stands before another one.
    if (error instanceof RangeError) throw refuse(placePath(0), 'is nested too deep');
    throw error;
  }
  return fromCel(root);
}
