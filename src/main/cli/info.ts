/** `keeperlog info`: what the store is and holds. */
import type { Command } from 'commander';
import { parseOptions } from '../../shared/options.js';
import type { SequenceRange } from '../../shared/portable/log.js';
import type { StoreStats } from '../index.js';
import { makeCommand, onRun, withStore } from './command.js';
import { bytesText, countText, data, rangeText, table, toJson } from './output.js';

export function infoCommand(): Command {
  const command = makeCommand('info', 'Tell what the store is, how far it is durable, and what it takes.', [
    ['keeperlog info', 'of the store in ./data'],
    ['keeperlog info --dir ./data', 'of the store in a directory'],
    ['keeperlog info --json', 'as JSON'],
  ]);
  return onRun(command, async ({ dir, json }) => {
    await withStore({ dir, readOnly: true }, async (store) => {
      const stats = store.stats();
      const head = await store.head();
      const last = head === undefined ? undefined : await store.get(head.sequence);
      const info = {
        dir: stats.dir,
        storeId: stats.storeId,
        nodeId: stats.nodeId,
        durable: stats.durable,
        lastId: head?.id ?? null,
        lastTime: last?.time.toISOString() ?? null,
        segments: stats.segments,
        bytes: stats.bytes,
        // Below it, retention has removed everything.
        floor: stats.floor,
        holes: stats.holes,
        // Whether the last writer closed it. Beside a live writer that is still to come.
        clean: stats.recovery.clean,
        budgets: budgetsOf(stats),
      };
      await data(json === true ? toJson(info) : infoText(info));
    });
  });
}

/** What a writer with default options may take. Unit: bytes. */
function budgetsOf(stats: StoreStats): Record<string, number> {
  const { ringBytes, maxPendingBytes, cacheBytes } = parseOptions('.');
  return { ring: ringBytes, waiting: maxPendingBytes, cache: cacheBytes, index: stats.memory.index.budget };
}

interface Info {
  readonly dir: string;
  readonly storeId: string;
  readonly nodeId: string;
  readonly durable: number;
  readonly lastId: string | null;
  readonly lastTime: string | null;
  readonly segments: number;
  readonly bytes: number;
  readonly floor: number;
  readonly holes: readonly SequenceRange[];
  readonly clean: boolean;
  readonly budgets: Readonly<Record<string, number>>;
}

function infoText(info: Info): string {
  const budgets = Object.entries(info.budgets).map(([name, bytes]) => `${name} ${bytesText(bytes)}`);
  return table([
    ['directory', info.dir],
    ['store', info.storeId],
    ['node', info.nodeId],
    ['durable', `${countText(info.durable)} events`],
    ['last event', info.lastId === null ? 'none' : `${info.lastId} at ${info.lastTime}`],
    ['segments', `${info.segments}, ${bytesText(info.bytes)}`],
    ...(info.floor > 1
      ? [['begins at', `sequence ${info.floor}: retention has removed what was before`] as const]
      : []),
    ...info.holes.map((hole) => ['lost', `${rangeText(hole)}, given up by a repair`] as const),
    ['recovery', info.clean ? 'closed by its last writer' : 'open in a writer, or to be recovered by the next one'],
    ['budgets', budgets.join(', ')],
  ]);
}
