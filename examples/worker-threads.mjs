/**
 * Worker threads and hot reload: a directory has one writer, whatever threads there are and however often code is loaded.
 *
 *   node examples/worker-threads.mjs [DIR]
 *
 * The main thread owns the store. A thread that opens it as well is refused. Two workers send their events to the owner
 * and get its answers, a third opens read-only and reads beside it. Meanwhile the owner's code, worker-threads/app.mjs,
 * is reloaded again and again. Without DIR the store is in a temporary directory.
 */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { fromWire, isKeeperError, openStore, toWire } from 'keeperlog';

const SENDERS = ['left', 'right'];
const EVENTS_EACH = 500;
const EVENTS_A_LOAD = 200;
const LOOK_AGAIN_MS = 5;

const workers = [];

if (isMainThread) await own();
else if (workerData.role === 'open') await open(workerData);
else if (workerData.role === 'send') await send();
else await follow(workerData);

/** The main thread: the owner of the store. */
async function own() {
  const dir = process.argv[2] ?? (await mkdtemp(path.join(tmpdir(), 'keeperlog-threads-')));
  const run = `workers/${new Date().toISOString()}`;
  try {
    await serve(dir, run);
    await check(dir, run);
  } finally {
    if (process.argv[2] === undefined) await rm(dir, { recursive: true });
  }
}

/** Own the store for as long as the workers need it, and reload the code meanwhile. */
async function serve(dir, run) {
  const loads = [loadApp(0)];
  try {
    const store = await (await loads[0]).sharedStore(dir);

    const refusal = await result(startWorker({ role: 'open', dir }));
    console.log(`another thread that opens it: ${refusal.code}`);
    console.log(`  ${refusal.hint}`);

    const read = result(startWorker({ role: 'follow', dir, run }));
    let received = 0;
    const senders = SENDERS.map((name) => {
      const worker = startWorker({ role: 'send' });
      worker.on('message', ({ id, event }) => {
        // The reload: whoever comes from now on waits for the new code, while the old code still awaits its appends.
        if (received > 0 && received % EVENTS_A_LOAD === 0) loads.push(loadApp(loads.length));
        received++;
        answer(worker, id, () => record(loads.at(-1), dir, `${run}/${name}`, event));
      });
      return ended(worker);
    });
    const [seen] = await Promise.all([read, ...senders]);

    const last = await (await loads.at(-1)).sharedStore(dir);
    if (last !== store) throw new Error('a reload has opened another store');
    console.log(
      `${SENDERS.length} workers sent ${received} events, ${store.stats().appends} appends to one open store`,
    );
    console.log(`a read-only worker read ${seen} of them beside it`);
  } finally {
    // Where one has failed, the others go on until they are stopped.
    await Promise.all(workers.map((worker) => worker.terminate()));
    // Each load has its end, in whatever order; one of them closes the store.
    const apps = await Promise.all(loads);
    const closed = await Promise.all(apps.map(({ closeStore }) => closeStore(dir)));
    console.log(`${loads.length} loads of the code, closed ${closed.filter(Boolean).length} time`);
  }
}

function loadApp(load) {
  return import(`./worker-threads/app.mjs?load=${load}`);
}

async function record(loading, dir, stream, event) {
  const app = await loading;
  return app.record(dir, stream, event);
}

/** Answer a worker. Errors lose their class and code between threads, unless they go as plain data. */
async function answer(worker, id, work) {
  try {
    worker.postMessage({ id, appended: await work() });
  } catch (error) {
    if (!isKeeperError(error)) throw error;
    worker.postMessage({ id, error: toWire(error) });
  }
}

function startWorker(data) {
  const worker = new Worker(new URL(import.meta.url), { workerData: data });
  workers.push(worker);
  return worker;
}

/** What a worker tells at its end. */
async function result(worker) {
  const [[message]] = await Promise.all([once(worker, 'message'), ended(worker)]);
  return message;
}

/** Resolves when a worker has ended well, and rejects with its error. */
async function ended(worker) {
  const [code] = await once(worker, 'exit');
  if (code !== 0) throw new Error(`a worker ended with ${code}`);
}

/** What was closed is all there: of each sender every event, in its order, whichever load has recorded it. */
async function check(dir, run) {
  const store = await openStore({ dir, readOnly: true });
  try {
    const byLoad = [];
    for (const name of SENDERS) {
      const events = await store.readStream(`${run}/${name}`).toArray();
      const inOrder = events.every(({ data, revision }) => data.step === revision);
      if (events.length !== EVENTS_EACH || !inOrder) throw new Error(`events of ${name} are missing or out of order`);
      for (const { load } of events.map(({ metadata }) => metadata)) byLoad[load] = (byLoad[load] ?? 0) + 1;
    }
    console.log(`nothing is lost: events by load ${byLoad.join(', ')}`);
  } finally {
    await store.close();
  }
}

/** A worker that opens the directory for itself, as it must not. */
async function open({ dir }) {
  try {
    const store = await openStore(dir);
    await store.close();
  } catch (error) {
    if (!isKeeperError(error, 'ERR_LOCKED')) throw error;
    parentPort.postMessage(toWire(error));
    return;
  }
  throw new Error(`${dir} was opened twice`);
}

/** A worker that has the owner append its events: some at a time, each answered when it is durable. */
async function send() {
  const waiting = new Map();
  parentPort.on('message', ({ id, appended, error }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) resolve(appended);
    else reject(fromWire(error));
  });
  let id = 0;
  const append = (event) =>
    new Promise((resolve, reject) => {
      waiting.set(++id, { resolve, reject });
      parentPort.postMessage({ id, event });
    });

  for (let first = 0; first < EVENTS_EACH; first += 50) {
    const steps = Array.from({ length: 50 }, (_, i) => first + i);
    await Promise.all(steps.map((step) => append({ type: 'StepDone', data: { step } })));
  }
  parentPort.close();
}

/** A worker that reads beside the writer. A read-only store does not tell of new events yet: it looks again. */
async function follow({ dir, run }) {
  const store = await openStore({ dir, readOnly: true });
  try {
    let seen = 0;
    let after = 0;
    for (;;) {
      const rows = store.read({ streams: `${run}/*` }, { after });
      for await (const _ of rows) seen++;
      after = rows.position;
      if (seen === SENDERS.length * EVENTS_EACH) break;
      await setTimeout(LOOK_AGAIN_MS);
    }
    parentPort.postMessage(seen);
  } finally {
    await store.close();
  }
}
