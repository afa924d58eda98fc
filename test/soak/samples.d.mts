export interface Sample {
  readonly rssMiB: number;
  readonly files: readonly string[];
  readonly descriptors: number;
  readonly handles: readonly string[];
  readonly threads: number;
}
export const RSS_TOLERANCE_MIB: number;
export function whatGrows(samples: readonly Sample[]): string[];
