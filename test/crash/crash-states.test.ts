import { beforeAll, describe, expect, it } from 'vitest';
import { TIMEOUT_MS } from '../support/effort.js';
import { checkAll, statesOf } from './explore.js';
import { record, SCENARIOS } from './scenarios.js';
import type { Disk } from './session.js';

describe('a power cut at any moment leaves a store that opens with everything it had acknowledged', () => {
  const disks: Disk[] = [];
  beforeAll(async () => {
    for (const scenario of SCENARIOS) disks.push(await record(scenario));
  });

  it.each(SCENARIOS.map(({ name }, i) => [name, i] as const))('in %s', (_, i) => checkAll(disks[i]!), TIMEOUT_MS);

  it(
    'over at least 1,000 distinct states',
    () => {
      const distinct = new Set<string>();
      for (const disk of disks) for (const { fingerprint } of statesOf(disk)) distinct.add(fingerprint);
      expect(distinct.size).toBeGreaterThanOrEqual(1000);
    },
    TIMEOUT_MS,
  );
});
