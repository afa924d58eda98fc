/** Runs of commands over a store and its model; a failure is told in one line that repeats it. */
import fc from 'fast-check';
import { opening } from './arbitraries.js';
import { commands } from './commands.js';
import { Subject, type Wrap } from './subject.js';
import type { World } from './worlds.js';

export interface Campaign {
  /** The test file that runs it. */
  readonly file: string;
  readonly runs: number;
  readonly maxCommands: number;
  readonly seed: number;
  world(): World;
  readonly wrap?: Wrap;
  /** Whether a failure is told as it was found, rather than the shortest one like it. */
  readonly asFound?: boolean;
  /** What a world leaves behind. */
  dispose?(world: World): Promise<void>;
}

/** What a failed run was, if one has failed; else how many commands were run, and how often the log has lost its beginning. */
export type Outcome = { readonly commands: number; readonly prunings: number } | { readonly failure: Error };

const SHRINKING_MS = 30_000;

/** Which run is to be repeated, as a failure has told it. */
const { MODEL_RUN } = process.env;

export async function campaign({
  file,
  runs,
  maxCommands,
  seed,
  world,
  wrap,
  asFound,
  dispose,
}: Campaign): Promise<Outcome> {
  let count = 0;
  let prunings = 0;
  let failedAt: number | undefined;
  const again = MODEL_RUN === undefined ? {} : JSON.parse(MODEL_RUN);
  const property = fc.asyncProperty(
    opening,
    fc.commands(commands, { maxCommands, size: 'max', replayPath: again.commands }),
    async (first, steps) => {
      // Shorter failures are looked for only so long.
      if (failedAt !== undefined && Date.now() - failedAt > SHRINKING_MS) return;
      const place = world();
      const subject = new Subject(place, wrap);
      try {
        await subject.open(first);
        await fc.asyncModelRun(() => ({ model: {}, real: subject }), steps);
        await subject.finish();
      } catch (error) {
        failedAt ??= Date.now();
        throw error;
      } finally {
        count += subject.commands;
        prunings += subject.floors.prunings;
        await subject.abandon();
        await dispose?.(place);
      }
    },
  );
  const { commands: _, ...replay } = again;
  const details = await fc.check(property, {
    numRuns: MODEL_RUN === undefined ? runs : 1,
    seed,
    endOnFailure: asFound === true || MODEL_RUN !== undefined,
    ...replay,
  });
  if (!details.failed) return { commands: count, prunings };
  const [first, steps] = details.counterexample!;
  const commandPath = /replayPath="([^"]*)"/.exec(String(steps))?.[1];
  const run = JSON.stringify({ seed: details.seed, path: details.counterexamplePath, commands: commandPath });
  const error = details.errorInstance as Error;
  const message = `MODEL_RUN='${run}' npx vitest run ${file}\nopened with ${fc.stringify(first)}, ${steps}:\n${error.message}`;
  return { failure: new Error(message, { cause: error }) };
}
