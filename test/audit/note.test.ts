/** Signed notes and keys, with the vectors of golang.org/x/mod/sumdb/note and of the C2SP specifications. */
import { describe, expect, test } from 'vitest';
import {
  decodeKeyFile,
  encodeKeyFile,
  holds,
  makeSigningKey,
  parseVerifierKey,
  signText,
} from '../../dist/shared/format/signing-key.js';
import { toBase64 } from '../../dist/shared/portable/proof/base64.js';
import { parseCheckpointBody } from '../../dist/shared/portable/proof/checkpoint.js';
import { verifyCheckpoint } from '../../dist/shared/portable/proof/index.js';
import { claimsOf, formatNote, parseNote, splitVerifierKey } from '../../dist/shared/portable/proof/note.js';
import { failure } from '../support/errors.js';

const PETER = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW';
const PETER_PRIVATE = 'PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz';
const ENOCH = 'EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop';
const TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const PETER_LINE =
  '— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n';
const ENOCH_LINE =
  '— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n';

const peter = parseVerifierKey(PETER)!;
const enoch = parseVerifierKey(ENOCH)!;

/** The names of the keys whose signatures of a note hold. */
function signers(note: string, keys = [peter, enoch]): string[] {
  const parsed = parseNote(note);
  const claims = claimsOf(parsed, keys);
  return claims.filter((claim) => holds(parsed.text, claim)).map(({ key }) => key.name);
}

/** Every part of a text but all of it, and the text with each character replaced by the next. */
function* manglings(text: string): Generator<string> {
  for (let from = 0; from <= text.length; from++) {
    for (let to = from + 1; to <= text.length; to++) if (to - from < text.length) yield text.slice(from, to);
  }
  for (let i = 0; i < text.length; i++) {
    yield text.slice(0, i) + String.fromCharCode(text.charCodeAt(i) + 1) + text.slice(i + 1);
  }
}

describe('a verifier key', () => {
  test('of the sumdb vectors is taken', () => {
    expect(peter).toMatchObject({ name: 'PeterNeumann', id: 'c74f20a3', text: PETER });
    expect(enoch).toMatchObject({ name: 'EnochRoot', id: 'af0cfe78' });
  });

  test('is refused with anything changed or left out', () => {
    for (const mangled of manglings(PETER)) expect(parseVerifierKey(mangled), mangled).toBeUndefined();
  });

  test('is refused with another length or algorithm, though its id is right', () => {
    expect(
      splitVerifierKey('PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY=='),
    ).toBeUndefined();
    expect(splitVerifierKey('PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW')).toBeUndefined();
  });
});

describe('a key file', () => {
  const read = (text: string): ReturnType<typeof decodeKeyFile> => decodeKeyFile(Buffer.from(text), 'PeterNeumann');

  test('has the private key of the sumdb vectors, which belongs to the public one', () => {
    const [key] = read(`${PETER_PRIVATE}\n`)!;
    expect(key!.verifier).toEqual(peter);
    expect(encodeKeyFile([key!]).toString()).toBe(`${PETER_PRIVATE}\n`);
  });

  test('is refused with anything changed or left out, and where it is empty', () => {
    for (const mangled of manglings(PETER_PRIVATE)) expect(read(`${mangled}\n`), mangled).toBeUndefined();
    for (const text of ['', '\n', PETER_PRIVATE, `${PETER_PRIVATE}\n\n`]) expect(read(text)).toBeUndefined();
  });

  test('is refused where a key is of another name', () => {
    expect(decodeKeyFile(Buffer.from(`${PETER_PRIVATE}\n`), 'EnochRoot')).toBeUndefined();
  });

  test('is read as it was written, with several keys', () => {
    const keys = [makeSigningKey('a/b'), makeSigningKey('a/b')];
    const file = encodeKeyFile(keys);
    expect(decodeKeyFile(file, 'a/b')!.map(({ verifier }) => verifier)).toEqual(keys.map(({ verifier }) => verifier));
  });
});

describe('a signed note', () => {
  test('is signed as by sumdb, to the byte', () => {
    const [key] = decodeKeyFile(Buffer.from(`${PETER_PRIVATE}\n`), 'PeterNeumann')!;
    expect(formatNote(TEXT, [signText(TEXT, key!)])).toBe(`${TEXT}\n${PETER_LINE}`);
  });

  test('is signed by those who are known; other signatures mean nothing', () => {
    const note = `${TEXT}\n${PETER_LINE}${ENOCH_LINE}`;
    expect(parseNote(note).text).toBe(TEXT);
    expect(signers(note)).toEqual(['PeterNeumann', 'EnochRoot']);
    expect(signers(note, [peter])).toEqual(['PeterNeumann']);
    expect(() => signers(note, [])).toThrow('none of the given keys');
  });

  test('does not hold with another text or signature', () => {
    expect(signers(`${TEXT.replace('answer', 'Answer')}\n${PETER_LINE}`)).toEqual([]);
    expect(signers(`${TEXT}\n${PETER_LINE.slice(0, 60)}ABCD${PETER_LINE.slice(60)}`)).toEqual([]);
  });

  test("of a name or an id that only one of a known key has is nobody's", () => {
    for (const line of [PETER_LINE.replace('PeterNeumann', 'CarmenSandiego'), PETER_LINE.replace('x08g', 'xxxx')]) {
      expect(() => signers(`${TEXT}\n${line}`)).toThrow('none of the given keys');
    }
  });

  test('has a text, an empty line and up to 100 signatures, and nothing else', async () => {
    const bad = [
      '',
      '\n\n',
      TEXT,
      `${TEXT}\n`,
      `${TEXT}\n${PETER_LINE.slice(0, -1)}`,
      `\x01${TEXT}\n${PETER_LINE}`,
      `${TEXT}\r\n${PETER_LINE}`,
      `\ud800${TEXT}\n${PETER_LINE}`,
      `${TEXT}\n${PETER_LINE.replace('PeterNeumann', 'Bad Name')}`,
      `${TEXT}\n${PETER_LINE.replace('PeterNeumann', 'Bad+Name')}`,
      `${TEXT}\n${PETER_LINE}Unexpected line.\n`,
      `${TEXT}\n${PETER_LINE.replace('M=', 'N=')}`,
      `${TEXT}\n— PeterNeumann x08gow==\n`,
      `${TEXT}\n${PETER_LINE.repeat(101)}`,
      `${'x'.repeat(1_000_000)}\n\n${PETER_LINE}`,
    ];
    for (const note of bad)
      expect(await failure('ERR_UNVERIFIED', () => parseNote(note))).toMatchObject({ reason: 'form' });
    expect(parseNote(`${TEXT}\n${PETER_LINE.repeat(100)}`).signatures).toHaveLength(100);
  });

  test('of the specification is read, empty lines, other letters and all', () => {
    const line =
      '— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n';
    const text = 'Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n';
    const note = parseNote(`${text}\n${line}`);
    expect(note.text).toBe(text);
    expect(note.signatures).toMatchObject([{ name: 'quasimodo.example/salvatore', keyId: '367ba04b' }]);
    expect(formatNote(text, note.signatures)).toBe(`${text}\n${line}`);
  });
});

describe('a checkpoint', () => {
  const ROOT = 'CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=';
  const key = makeSigningKey('example.com/behind-the-sofa');
  const body = `example.com/behind-the-sofa\n20852163\n${ROOT}\n`;
  const signed = (text: string): string => formatNote(text, [signText(text, key)]);
  const trusted = key.verifier.text;

  test('of the specification is read', () => {
    const line =
      '— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n';
    const { origin, size, root } = parseCheckpointBody(parseNote(`${body}\n${line}`).text);
    expect({ origin, size, root: toBase64(root) }).toEqual({
      origin: 'example.com/behind-the-sofa',
      size: 20852163,
      root: ROOT,
    });
  });

  test('is verified by WebCrypto', async () => {
    expect(await verifyCheckpoint(signed(body), trusted)).toEqual({
      origin: 'example.com/behind-the-sofa',
      size: 20852163,
      root: ROOT,
      keys: [trusted],
    });
  });

  test('may have further lines, though none that is empty', async () => {
    expect(await verifyCheckpoint(signed(`${body}more\n`), [PETER, trusted])).toMatchObject({ size: 20852163 });
    const { reason } = await failure('ERR_UNVERIFIED', () => verifyCheckpoint(signed(`${body}\nmore\n`), trusted));
    expect(reason).toBe('form');
  });

  test.each([
    ['two lines', 'example.com/behind-the-sofa\n5\n'],
    ['a size with zeros before it', body.replace('2085', '02085')],
    ['a size with a sign', body.replace('2085', '+2085')],
    ['a size beyond what can be counted', body.replace('20852163', '9007199254740993')],
    ['a root of another length', body.replace('=', '').replace('Cs', 'CsCs')],
    ['a root that is not as it would be written', body.replace('2I=', '2J=')],
  ])('with %s is none', async (_, text) => {
    expect(await failure('ERR_UNVERIFIED', () => verifyCheckpoint(signed(text), trusted))).toMatchObject({
      reason: 'form',
    });
  });

  test('is refused without a trusted signature, with one that does not hold, and of another log', async () => {
    const reason = async (text: string, keys: string | string[]): Promise<string> =>
      (await failure('ERR_UNVERIFIED', () => verifyCheckpoint(text, keys))).reason;
    expect(await reason(signed(body), PETER)).toBe('key');
    expect(await reason(signed(body).replace('20852163', '20852164'), trusted)).toBe('signature');
    expect(await reason(signed(body.replace('sofa', 'bed')), trusted)).toBe('origin');
  });

  test('is refused if one of two trusted signatures does not hold', async () => {
    const other = makeSigningKey('example.com/behind-the-sofa');
    const both = [key.verifier.text, other.verifier.text];
    const good = formatNote(body, [signText(body, key), signText(body, other)]);
    expect((await verifyCheckpoint(good, both)).keys).toEqual(both);
    const bad = formatNote(body, [signText(body, key), signText('another text\n', other)]);
    expect(await failure('ERR_UNVERIFIED', () => verifyCheckpoint(bad, both))).toMatchObject({ reason: 'signature' });
    expect(await verifyCheckpoint(bad, trusted)).toMatchObject({ keys: [trusted] });
  });

  test('needs a key that is one', async () => {
    for (const [keys, path] of [
      [[], 'keys'],
      ['PeterNeumann', 'keys'],
      [PETER.replace('c74f', 'c74e'), 'keys'],
      [[PETER, 7], 'keys[1]'],
      [undefined, 'keys'],
    ] as const) {
      const error = await failure('ERR_INVALID_OPTIONS', () => verifyCheckpoint(signed(body), keys as string));
      expect(error.path).toBe(path);
    }
  });

  test('that is no text is refused', async () => {
    for (const text of [undefined, null, 7, {}, Buffer.from(signed(body))]) {
      expect(await failure('ERR_UNVERIFIED', () => verifyCheckpoint(text as string, trusted))).toMatchObject({
        reason: 'form',
      });
    }
  });
});
