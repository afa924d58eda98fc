/** The background thread. */
import { parentPort, workerData } from 'node:worker_threads';
import type { BackgroundData, FromBackground, SegmentBegun, ToBackground } from '../../shared/messages.js';
import { attachShared } from '../../shared/ring/layout.js';
import { nodeStorage } from '../../shared/storage.js';
import { Background } from './background.js';

const data = workerData as BackgroundData;
const port = parentPort;
if (port === null) throw new Error('this file runs in a worker thread only');

const background = new Background(nodeStorage, data.dir, attachShared(data.shared), (message: FromBackground) =>
  port.postMessage(message),
);
data.writer.on('message', ({ segment }: SegmentBegun) => background.onSegmentBegun(segment));
let queue: Promise<unknown> = Promise.resolve();
port.on('message', (message: ToBackground) => {
  queue = queue.then(async () => {
    if (await background.onMessage(message)) return;
    data.writer.close();
    port.close();
  });
});
