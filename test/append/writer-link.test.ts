import { EventEmitter } from 'node:events';
import { MessageChannel, type Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { ThreadLink } from '../../dist/main/append/writer-link.js';
import { allocateShared, attachShared } from '../../dist/shared/ring/layout.js';

it('what the writer said before it ended is heard before its end', () => {
  const { port1, port2 } = new MessageChannel();
  const worker = new EventEmitter();
  const heard: string[] = [];
  new ThreadLink(
    attachShared(allocateShared(1024)),
    worker as Worker,
    port1,
    ({ kind }) => heard.push(kind),
    () => heard.push('exit'),
  );
  port2.postMessage({ kind: 'refused', error: {} });
  worker.emit('exit', 0);
  expect(heard).toEqual(['refused', 'exit']);
  port1.close();
});
