/**
 * Extremes of what is in the order of the log. They are those of the first and of the last event, so it is enough to know which
 * these are, and to look at them in the end.
 */
import type { NamedField, ParsedAggregate } from '../../../shared/portable/query/aggregate.js';
import type { Examined } from '../../../shared/portable/query/evaluate.js';
import type { FieldName } from '../../../shared/portable/query/fields.js';
import { SEQUENCE } from '../../../shared/portable/query/intervals.js';
import type { AggregateRow, ExtremeValue } from '../../../shared/portable/query/query.js';

const ASCENDING = ['time', 'timestampNs', 'id'] as const satisfies FieldName[];

/** The same aggregate with the sequences of the events that have these extremes. */
export function bySequence({ min, max, ...asked }: ParsedAggregate): ParsedAggregate {
  return { ...asked, min: min.map(named), max: max.map(named) };
}

function named({ text, field }: NamedField): NamedField {
  return { text, field: ascendingOf(field.name) === undefined ? field : SEQUENCE };
}

function ascendingOf(name: FieldName): (typeof ASCENDING)[number] | undefined {
  return ASCENDING.find((ascending) => ascending === name);
}

/** Rows of such an aggregate, with what was asked for. */
export async function withValues(
  rows: readonly AggregateRow[],
  { min, max }: ParsedAggregate,
  eventAt: (sequence: number) => Promise<Examined>,
): Promise<AggregateRow[]> {
  const found: AggregateRow[] = [];
  for (const row of rows) {
    found.push({
      ...row,
      ...(row.min !== undefined && { min: await valuesOf(min, row.min, eventAt) }),
      ...(row.max !== undefined && { max: await valuesOf(max, row.max, eventAt) }),
    });
  }
  return found;
}

async function valuesOf(
  fields: readonly NamedField[],
  extremes: Readonly<Record<string, ExtremeValue>>,
  eventAt: (sequence: number) => Promise<Examined>,
): Promise<Record<string, ExtremeValue>> {
  const values = { ...extremes };
  for (const { text, field } of fields) {
    const name = ascendingOf(field.name);
    const sequence = extremes[text];
    if (name === undefined || typeof sequence !== 'number') continue;
    const event = await eventAt(sequence);
    values[text] = name === 'time' ? new Date(event.time) : event[name];
  }
  return values;
}
