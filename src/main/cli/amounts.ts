/** Options that are a time or a size, as people write them. */
import { InvalidArgumentError } from 'commander';

const MS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const BYTES = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 } as const;

/** Parses a time, such as 30d. Unit: milliseconds. */
export function parseDuration(text: string): number {
  const [, count, unit] = /^(\d+)([smhd])$/.exec(text) ?? [];
  const ms = Number(count) * MS[unit as keyof typeof MS];
  if (Number.isSafeInteger(ms)) return ms;
  throw new InvalidArgumentError('It must be a number of seconds, minutes, hours or days: 90s, 15m, 12h, 30d.');
}

/** Parses a size, such as 10G, which is 10 GiB. Unit: bytes. */
export function parseBytes(text: string): number {
  const [, count, unit = ''] = /^(\d+)(?:([KMGT])(?:iB)?)?$/.exec(text) ?? [];
  const bytes = Number(count) * BYTES[unit as keyof typeof BYTES];
  if (Number.isSafeInteger(bytes)) return bytes;
  throw new InvalidArgumentError('It must be a number of bytes, KiB, MiB, GiB or TiB: 500000, 64K, 500M, 10G, 1T.');
}
