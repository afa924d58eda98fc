/**
 * The first five minutes with the command line, as a page: every command below is really run, in an empty directory, and
 * what it prints is put under it.
 *
 *   node docs/first-five-minutes.mjs README.md > docs/first-five-minutes.md
 *
 * The README shows some of the same steps.
 * Exits with 1 if a command does not end with the exit code that the page says it ends with.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const BINARY = fileURLToPath(new URL('../dist/main/cli/keeperlog.js', import.meta.url));
/** A step that takes longer is stuck. Unit: milliseconds. */
const LONGEST_MS = 60_000;
/** What the directory is called on the page. */
const SHOWN_DIR = '/home/you/five-minutes';

const PAGE = [
  `# The first five minutes

A transcript: \`npm run transcript\` ran every command on this page in an empty directory and put what it printed below it.
Times, ids and rates are of that run. \`keeperlog\` is \`npx keeperlog\` where the package is installed in a project.

## One event

The store is a directory, \`./data\` unless \`--dir\` names another one; the first append makes it. When the command returns, the
event is on the disk.`,
  short(`keeperlog append orders/1 OrderPlaced '{"total":12}' --tag order:1`),
  step(`keeperlog append orders/1 OrderPaid '{"by":"card"}' --tag order:1 --json`),
  '`get` prints one event whole, by its id or by its sequence: its place in the store, counted from 1.',
  step('keeperlog get 2'),

  `## Many events

A file of JSON lines goes in by \`ingest\`. An event may name the line that caused it.`,
  short(`cat > orders.jsonl <<'END'
{"stream":"orders/2","type":"OrderPlaced","data":{"total":30},"tags":["order:2"]}
{"stream":"orders/2","type":"OrderPaid","data":{"by":"invoice"},"tags":["order:2"],"cause":0}
{"stream":"orders/3","type":"OrderPlaced","data":{"total":7},"tags":["order:3"]}
END`),
  short('keeperlog ingest orders.jsonl'),
  'A second run goes on behind the last line that was committed: here nothing is left.',
  step('keeperlog ingest orders.jsonl'),

  '## Looking',
  short("keeperlog read --stream 'orders/*'"),
  step('keeperlog read --type OrderPlaced --backwards --limit 1 --json'),
  '`tail` prints the newest events, with `-f` also those that come. What begins with `$` is written by Keeperlog itself.',
  step('keeperlog tail -n 2'),
  step('keeperlog streams'),

  `## Two that decide at once

\`--expect\` lets an append in only if the stream is still where you saw it: its last revision, \`none\` or \`exists\`. Revisions
count from 0, so \`orders/1\` is at 1.`,
  step(`keeperlog append orders/1 OrderSent '{"carrier":"post"}' --expect 1`),
  'Whoever comes second with the same expectation is refused, and told where the stream is now.',
  short('keeperlog append orders/1 OrderCancelled --expect 1', 3),
  'An append with a key is done once, however often it is tried: the second one answers with the first one’s id.',
  step(`keeperlog append orders/1 OrderDelivered --key delivery-1
keeperlog append orders/1 OrderDelivered --key delivery-1`),

  `## kill -9

Twenty thousand visits are on their way into the store when the process is killed, once five hundred of them can be read.`,
  short(`seq 20000 | sed 's/.*/{"stream":"visits","type":"PageSeen","data":{"visit":&}}/' > visits.jsonl`),
  short(
    `keeperlog ingest visits.jsonl --rate 2000 &
keeperlog tail -f -n 500 --stream visits | head -n 500 | tail -n 1
kill -9 $!; wait $!`,
    137,
  ),
  'Run again, it goes on behind what is durable. Nothing is missing, nothing is there twice.',
  short('keeperlog ingest visits.jsonl'),
  short('keeperlog read --stream visits | wc -l'),
  step('keeperlog stats --top 3'),

  `## Is everything all right?

\`verify\` reads the whole log back and checks it. \`doctor\` looks at the machine as well, and says what to change.`,
  short('keeperlog verify --deep'),
  step('keeperlog doctor'),

  `## And on

Every \`--help\` opens with examples that run. \`keeperlog completion\` makes a shell complete commands and options. The
[README](../README.md) has all commands and options; [operations.md](operations.md) is for whoever runs a store.`,
];

/** @param exitCode of the last line */
function step(command, exitCode = 0) {
  return { command, exitCode, inReadme: false };
}

/** A step that the README shows too. */
function short(command, exitCode = 0) {
  return { command, exitCode, inReadme: true };
}

const place = fs.mkdtempSync(path.join(os.tmpdir(), 'keeperlog-transcript-'));
try {
  const work = path.join(place, 'work');
  const bin = path.join(place, 'bin');
  for (const dir of [work, bin]) fs.mkdirSync(dir);
  fs.writeFileSync(path.join(bin, 'keeperlog'), `#!/bin/sh\nexec "${process.execPath}" "${BINARY}" "$@"\n`, {
    mode: 0o755,
  });
  const env = { ...process.env, NO_COLOR: '1', PATH: `${bin}:${process.env.PATH}` };
  const parts = PAGE.map((part) => (typeof part === 'string' ? part : transcribe(part, work, env)));
  console.log(parts.join('\n\n'));
  const readme = process.argv[2];
  if (readme !== undefined)
    showIn(
      readme,
      parts.filter((_, i) => PAGE[i].inReadme === true),
    );
} finally {
  fs.rmSync(place, { recursive: true, force: true });
}

/** Put the steps between the two marks of the README. */
function showIn(file, steps) {
  const [begin, end] = ['<!-- transcript -->', '<!-- /transcript -->'];
  const text = fs.readFileSync(file, 'utf8');
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from === -1 || to < from) throw new Error(`${file} has no place for the transcript`);
  fs.writeFileSync(file, `${text.slice(0, from + begin.length)}\n\n${steps.join('\n\n')}\n\n${text.slice(to)}`);
}

function transcribe({ command, exitCode }, cwd, env) {
  const { status, stdout, error } = spawnSync('sh', ['-c', `exec 2>&1\n${command}`], {
    cwd,
    env,
    encoding: 'utf8',
    timeout: LONGEST_MS,
    killSignal: 'SIGKILL',
  });
  if (error !== undefined) throw error;
  if (status !== exitCode) {
    console.error(`error: this ended with ${status}, not with ${exitCode}:\n${command}\n${stdout}`);
    process.exitCode = 1;
  }
  const [first, ...more] = command.split('\n');
  const printed = stdout.replaceAll(fs.realpathSync(cwd), SHOWN_DIR).trimEnd();
  return [
    '```console',
    `$ ${first}`,
    ...more.map((line) => `> ${line}`),
    ...(printed === '' ? [] : [printed]),
    ...(status === 0 ? [] : [`(exit code ${status})`]),
    '```',
  ].join('\n');
}
