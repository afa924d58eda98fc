import { openStore } from 'keeperlog';
import { describe } from 'vitest';
import { open, SMALL } from '../support/stores.js';
import { describeEventLog } from './event-log.js';
import { describeReads } from './event-log-reads.js';

describeEventLog(
  'an embedded store',
  (options) => open(options),
  (options) => openStore({ ...SMALL, ...options, dir: ':memory:' }),
);

describe('an embedded store that writes JSON, caches nothing and indexes nothing: reads', () =>
  describeReads(() =>
    openStore({
      dir: ':memory:',
      dataCodec: 'json',
      cacheBytes: 0,
      indexBytes: 0,
      segmentBytes: 65_536,
      sealing: 'background',
    }),
  ));
