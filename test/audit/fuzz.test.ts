/** Parsers of the audit tree on texts that are wrong: a value or a typed error, in bounded memory, and an end. */
import { formatProof, parseProof } from 'keeperlog/proof';
import { expect, test } from 'vitest';
import { KEY_FILE, TREE_FILE } from '../../dist/shared/format/file-names.js';
import { decodeKeyFile, parseVerifierKey } from '../../dist/shared/format/signing-key.js';
import { decodeTreeFile } from '../../dist/shared/format/tree-file.js';
import { parseCheckpointBody } from '../../dist/shared/portable/proof/checkpoint.js';
import { parseNote } from '../../dist/shared/portable/proof/note.js';
import type { Random } from '../crash/random.js';
import { mutate, pick } from '../fuzz/mutate.js';
import { tryInputs } from '../fuzz/run.js';
import { effort, TIMEOUT_MS, tally } from '../support/effort.js';
import { contentOf, digests, ORIGIN, openProver, treeOf } from './kit.js';

const DATA = digests(300);
const TREES = [0, 1, 7, 300].map((size) => treeOf(DATA.slice(0, size)));
const PROVERS = TREES.map(({ disk }) => openProver(disk));

const found = (value: unknown): unknown => value ?? refuse();
/** Parsers that say no by `undefined` or by a kind do so as a typed error here, so that both are counted alike. */
function refuse(): never {
  return parseProof('') as never;
}

interface Parser {
  readonly name: string;
  readonly valid: readonly Buffer[];
  readonly count: number;
  readonly decode: (bytes: Buffer) => unknown;
}

const checkpoints = PROVERS.map(({ checkpoint }) => Buffer.from(checkpoint.text));
const proofs = PROVERS.slice(1).map((prover) => Buffer.from(formatProof(prover.prove(prover.checkpoint.size))));

/** Verifying costs a signature an input. */
const SLOW = effort(400, 20_000);
const FAST = effort(4_000, 200_000);

const PARSERS: readonly Parser[] = [
  { name: 'a signed note', valid: checkpoints, count: FAST, decode: (bytes) => parseNote(bytes.toString()) },
  {
    name: 'a checkpoint',
    valid: checkpoints.map((text) => text.subarray(0, text.indexOf('\n\n') + 1)),
    count: FAST,
    decode: (bytes) => parseCheckpointBody(bytes.toString()),
  },
  { name: "a proof's text", valid: proofs, count: FAST, decode: (bytes) => parseProof(bytes.toString()) },
  {
    name: 'a verifier key',
    valid: PROVERS.map(({ checkpoint }) => Buffer.from(checkpoint.publicKey)),
    count: FAST,
    decode: (bytes) => found(parseVerifierKey(bytes.toString())),
  },
  {
    name: 'the key file',
    valid: TREES.map(({ disk }) => contentOf(disk, KEY_FILE)),
    count: FAST,
    decode: (bytes) => found(decodeKeyFile(bytes, ORIGIN)?.map(({ text }) => text)),
  },
  {
    name: "the tree's file",
    valid: TREES.map(({ disk }) => contentOf(disk, TREE_FILE)),
    count: SLOW,
    decode(bytes) {
      const decoded = decodeTreeFile(bytes, ORIGIN);
      return decoded.kind === 'valid' ? decoded.tree.checkpoint : refuse();
    },
  },
];

/** A valid text, one time in eight as it is. */
function inputOf(valid: readonly Buffer[], random: Random): Buffer {
  const text = pick(random, valid);
  return random() < 1 / 8 ? text : mutate(random, text);
}

test.each(PARSERS.map((parser) => [parser.name, parser] as const))(
  '%s',
  (name, { valid, count, decode }) => {
    const { values, refusals } = tryInputs({ name, input: (random) => inputOf(valid, random), decode }, count);
    expect(values).toBeGreaterThan(count / 100);
    expect(refusals).toBeGreaterThan(count / 100);
    tally('fuzz', 'inputs of decoders', count);
  },
  TIMEOUT_MS,
);
