/** From an event to a row with some of its fields. */
import type { NamedField } from './aggregate.js';
import { type Examined, readerOf } from './evaluate.js';
import type { SelectedRow } from './query.js';

/** Makes rows with these fields; what an event does not have is absent. */
export function projectorOf(fields: readonly NamedField[]): (event: Examined) => SelectedRow {
  const parts = fields.map(({ text, field }) => ({ text, read: readerOf(field), isTime: field.name === 'time' }));
  return (event) => {
    const row: SelectedRow = {};
    for (const { text, read, isTime } of parts) {
      const value = read(event);
      if (value !== undefined) row[text] = isTime ? new Date(value as number) : value;
    }
    return row;
  };
}
