/** The writer's thread. */
import { receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { FromWriter, SegmentBegun, ToWriter, WriterData } from '../../shared/messages.js';
import { attachShared, WORD } from '../../shared/ring/layout.js';
import { nodeStorage } from '../../shared/storage.js';
import { ownThread } from '../../shared/thread-life.js';
import { Writer } from './writer.js';

const data = workerData as WriterData;
const port = data.control;

const shared = attachShared(data.shared);
Atomics.store(shared.words, WORD.thread, ownThread());

const writer = new Writer(
  nodeStorage,
  data,
  shared,
  {
    post: (message: FromWriter) => port.postMessage(message),
    receive: () => receiveMessageOnPort(port)?.message as ToWriter | undefined,
  },
  (segment) => data.background.postMessage({ kind: 'segment-begun', segment } satisfies SegmentBegun),
);
await writer.open();
writer.run();
data.background.close();
port.close();
