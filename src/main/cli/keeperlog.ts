#!/usr/bin/env node
/** The command line. Each command is a file of its own, and loads the store only when it runs. */
import { createRequire } from 'node:module';
import { Command, CommanderError } from 'commander';
import { appendCommand } from './append.js';
import { backupCommand } from './backup.js';
import { benchCommand } from './bench.js';
import { exitCodeOf } from './command.js';
import { compactCommand } from './compact.js';
import { completionCommand } from './completion.js';
import { deleteCommand } from './delete.js';
import { doctorCommand } from './doctor.js';
import { exportCommand } from './export.js';
import { codeOf, EXIT } from './failure.js';
import { getCommand } from './get.js';
import { infoCommand } from './info.js';
import { ingestCommand } from './ingest.js';
import { endOnClosedPipe, tellFailure } from './output.js';
import { proveCommand } from './prove.js';
import { pruneCommand } from './prune.js';
import { queryCommand } from './query.js';
import { readCommand } from './read.js';
import { repairCommand } from './repair.js';
import { restoreCommand } from './restore.js';
import { rotateKeyCommand } from './rotate-key.js';
import { sealCommand } from './seal.js';
import { statsCommand } from './stats.js';
import { streamsCommand } from './streams.js';
import { tailCommand } from './tail.js';
import { verifyCommand } from './verify.js';

const EXAMPLES = `Examples:
  keeperlog append orders/1 OrderPlaced '{"total":12}'  # one event into ./data
  keeperlog read --limit 10                             # the first ten events
  keeperlog info                                        # what the store is and holds
`;

const EXIT_CODES = `
Exit codes: 0 done, 1 failed, 2 usage, 3 conflict, 4 locked, 5 corrupt, 6 degraded.
Data goes to stdout, everything else to stderr.`;

const COMMANDS = [
  ingestCommand,
  appendCommand,
  deleteCommand,
  getCommand,
  readCommand,
  queryCommand,
  tailCommand,
  streamsCommand,
  infoCommand,
  statsCommand,
  verifyCommand,
  repairCommand,
  sealCommand,
  compactCommand,
  pruneCommand,
  backupCommand,
  restoreCommand,
  proveCommand,
  rotateKeyCommand,
  exportCommand,
  benchCommand,
  doctorCommand,
  completionCommand,
];

async function main(argv: readonly string[]): Promise<void> {
  endOnClosedPipe();
  const { version } = createRequire(import.meta.url)('../../../package.json') as { version: string };
  const program = new Command('keeperlog')
    .description('The durable event log for Node.js.')
    .version(version)
    .option('--dir <dir>', "the store's directory", './data')
    .option('--json', 'data, and errors, as JSON')
    .addHelpText('before', EXAMPLES)
    .addHelpText('after', EXIT_CODES);
  for (const make of COMMANDS) program.addCommand(make());
  const json = argv.includes('--json');
  for (const command of [program, ...program.commands]) {
    // What is refused is told below, in one form; the help that a missing command brings is no JSON.
    command.exitOverride().configureOutput({ outputError: () => {}, ...(json && { writeErr: () => {} }) });
  }
  try {
    await program.parseAsync(argv);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    process.exitCode = exitCodeOf(error);
    if (error.exitCode === 0) return;
    const named = program.commands.find((command) => argv.includes(command.name()));
    const failure = {
      exitCode: EXIT.usage,
      message: error.code === 'commander.help' ? 'no command was named' : error.message.replace(/^error: /, ''),
      hint: '',
      next: named === undefined ? 'keeperlog --help' : `keeperlog ${named.name()} --help`,
      facts: { code: codeOf(EXIT.usage) },
    };
    tellFailure(failure, json);
  }
}

await main(process.argv);
