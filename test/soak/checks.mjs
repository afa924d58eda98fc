/** What must hold of a store after a load of `agentLoad` in test/faults/load.mjs, whatever has happened to its writer. */

/**
 * Sequences and revisions without a gap, every call whole or not there, every acknowledged event there once, everything
 * verified.
 * @returns how many events there are
 * @throws where anything is not so
 */
export async function checkWhole(store, acks) {
  await store.flush();
  const calls = new Map();
  const revisions = new Map();
  let sequence = 0;
  let lastId = '';
  for await (const event of store.read()) {
    insist(event.sequence === ++sequence, `sequence ${event.sequence} stands where ${sequence} is expected`);
    insist(event.id > lastId, `id ${event.id} does not come after ${lastId}`);
    lastId = event.id;
    const revision = (revisions.get(event.stream) ?? -1) + 1;
    insist(event.revision === revision, `${event.stream} has revision ${event.revision} where ${revision} is expected`);
    revisions.set(event.stream, revision);
    if (event.data?.call === undefined) continue;
    const known = calls.get(event.data.call) ?? { ids: [], size: event.data.size };
    insist(
      event.data.place === known.ids.length,
      `${event.data.call}: event ${event.data.place} stands at ${known.ids.length}`,
    );
    known.ids.push(event.id);
    calls.set(event.data.call, known);
  }
  for (const [call, { ids, size }] of calls) insist(ids.length === size, `${call}: ${ids.length} of ${size} events`);
  for (const { call, ids } of acks) {
    const found = calls.get(call)?.ids ?? [];
    insist(found.join() === ids.join(), `${call} was acknowledged as ${ids}, and is there as ${found}`);
  }
  const report = await store.verify({ deep: true });
  insist(report.ok && report.events === sequence, `verify: ${JSON.stringify(report)}`);
  return sequence;
}

export function insist(holds, what) {
  if (!holds) throw new Error(what);
}

/** Resolves with the error of a promise that must be rejected with a code. */
export async function refused(promise, code) {
  const error = await promise.then(
    () => new Error('it succeeded'),
    (error) => error,
  );
  insist(error.code === code, `${code} was expected, and not ${error.stack}`);
  return error;
}
