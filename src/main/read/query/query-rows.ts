/** The rows of a query: rows that can also be a page, and say what they took. */
import type { Explanation, Page, QueryRows } from '../../../shared/portable/query/query.js';
import { PulledRows } from '../rows.js';
import type { Execution } from './execution.js';

export class QueriedRows<T> extends PulledRows<T> implements QueryRows<T> {
  readonly #begin: () => Execution;
  readonly #execution: Execution;

  /** @param begin makes the query ready to run, as often as it is called */
  constructor(begin: () => Execution) {
    const execution = begin();
    super((onHole) => execution.batches(onHole));
    this.#begin = begin;
    this.#execution = execution;
  }

  async page(): Promise<Page<T>> {
    const items = await this.toArray();
    return { items, cursor: await this.#execution.cursor() };
  }

  async explain(): Promise<Explanation> {
    if (this.#execution.begun) return this.#execution.explanation();
    const apart = this.#begin();
    const batches = apart.batches(() => {});
    while ((await batches.next()).done !== true);
    return apart.explanation();
  }
}
