import { EventEmitter } from 'node:events';
import { MessageChannel, type Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { ThreadLink } from '../../dist/main/append/writer-link.js';

function linkTo(worker: EventEmitter): { said: string[]; link: ThreadLink; writer: MessageChannel['port1'] } {
  const { port1, port2 } = new MessageChannel();
  const said: string[] = [];
  const link = new ThreadLink(
    undefined as never,
    worker as unknown as Worker,
    port1,
    (message) => said.push(message.kind),
    () => said.push('exit'),
  );
  return { said, link, writer: port2 };
}

test('what a writer said before it ended is handled before its end', () => {
  const worker = new EventEmitter();
  const { said, writer } = linkTo(worker);
  writer.postMessage({ kind: 'refused' });
  writer.close();
  worker.emit('exit', 0);
  expect(said).toEqual(['refused', 'exit']);
});

test('the end of a writer whose line was released is handled', async () => {
  const worker = Object.assign(new EventEmitter(), { terminate: async () => 0 });
  const { said, link } = linkTo(worker);
  await link.release();
  worker.emit('exit', 0);
  expect(said).toEqual(['exit']);
});
