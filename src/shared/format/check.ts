/** What members of a text format may be: a file may have a good checksum and be nonsense. */

export const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
export const isSegment = (value: unknown): boolean => isCount(value) && (value as number) < 2 ** 32;
export const isText = (pattern: RegExp) => (value: unknown) => typeof value === 'string' && pattern.test(value);
