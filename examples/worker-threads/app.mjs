/**
 * The code that worker-threads.mjs reloads: each `import('./app.mjs?load=N')` runs this file again, with new variables.
 * The store must outlive that, so it stands where no reload reaches it: on globalThis, one for each directory.
 */
import path from 'node:path';
import { openStore } from 'keeperlog';

const STORES = Symbol.for('keeperlog.example.stores');
globalThis[STORES] ??= new Map();
const stores = globalThis[STORES];

/** Which load of this file this is. */
const load = Number(new URL(import.meta.url).searchParams.get('load'));

/** The store of a directory, opened by whoever asks first. It is the promise that is kept: two may ask at once. */
export function sharedStore(dir) {
  const key = path.resolve(dir);
  if (!stores.has(key)) {
    const opening = openStore(key);
    stores.set(key, opening);
    // An opening that failed is tried again by the next who asks; the error is for those who have asked.
    opening.catch(() => stores.delete(key));
  }
  return stores.get(key);
}

/** Close the store of a directory. Every load may call it, as each has its end; resolves with whether this call did it. */
export async function closeStore(dir) {
  const key = path.resolve(dir);
  const opening = stores.get(key);
  if (opening === undefined) return false;
  stores.delete(key);
  const store = await opening;
  await store.close();
  return true;
}

/** What the application does with an event from a worker. */
export async function record(dir, stream, event) {
  const store = await sharedStore(dir);
  return store.append(stream, { ...event, metadata: { ...event.metadata, load } });
}
