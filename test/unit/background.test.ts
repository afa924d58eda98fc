import { expect, onTestFinished, test } from 'vitest';
import { type Engine, type Runtime, threadRuntime } from '../../dist/main/runtime.js';
import { openStoreOn } from '../../dist/main/store.js';
import { open, temporaryDir } from '../support/stores.js';

test('a store whose background thread has ended goes on, and is closed', async () => {
  let kill: (() => void) | undefined;
  const runtime: Runtime = {
    ...threadRuntime,
    start(options, shared, events): Engine {
      const engine = threadRuntime.start(options, shared, events);
      let ended = false;
      kill = () => {
        ended = true;
        events.onExit('background', new Error('killed'));
      };
      return {
        ...engine,
        postBackground: (message) => {
          if (ended) setImmediate(() => events.onExit('background', new Error('killed')));
          else engine.postBackground(message);
        },
      };
    },
  };
  const dir = temporaryDir();
  const lines: string[] = [];
  const say = (_: object, message: string): void => void lines.push(message);
  const logger = { error: say, warn: say, info() {}, debug() {} };
  const store = await openStoreOn({ dir, segmentBytes: 65_536, sealing: 'on-demand', logger }, runtime);
  onTestFinished(() => store.close());
  await store.append('a', { type: 't' });
  kill!();
  for (let i = 0; i < 20; i++) await store.append('a', { type: 't', data: 'x'.repeat(10_000) });
  await store.close();
  expect(lines[0]).toContain('the background thread has ended');
  const again = await open({ dir });
  expect(await again.append('a', { type: 't' }, { expect: 20 })).toMatchObject({ revision: 21 });
});
