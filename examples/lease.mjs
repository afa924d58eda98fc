/**
 * A lease with a fencing token: one agent at a time deploys, and one that was held up too long cannot do harm when it wakes.
 *
 *   node examples/lease.mjs [DIR]
 *
 * A lease is granted by an append whose condition is what was read of the leases of that resource; its fencing token is the
 * sequence of the grant, which only ever grows. What the holder then does is appended with the condition that no lease was
 * granted behind that token: who has lost the lease without noticing is refused by the log itself, whatever its clock says.
 * Without DIR the store is a temporary one.
 */
import { setTimeout as passed } from 'node:timers/promises';
import { isKeeperError, openStore } from 'keeperlog';

const RESOURCE = 'lease:production';
/** Selects what was done with the lease. */
const LEASES = { types: ['LeaseGranted', 'LeaseReleased'], tags: RESOURCE };
/** Long enough for all that happens before it is meant to run out, on a busy machine too. */
const LEASE_MS = 1500;

const store = await open(process.argv[2] ?? ':memory:');

try {
  await free();
  // Ten agents want it at once: one gets it.
  const asked = await Promise.all(Array.from({ length: 10 }, (_, i) => acquire(`agent-${i}`)));
  const held = asked.filter((lease) => lease !== undefined);
  if (held.length !== 1) throw new Error(`${held.length} agents hold the lease`);
  const [first] = held;
  console.log(`10 agents asked, ${first.agent} has the lease, token ${first.token}`);
  console.log(`${first.agent} deploys build 1: ${await deploy(first, 1)}`);

  // It is held up: the lease runs out, and another one takes over.
  await passed(Math.max(1, first.expiresAt - Date.now() + 1));
  const second = await acquire('agent-next');
  console.log(
    `${first.agent} was held up; agent-next has the lease, token ${second.token > first.token ? 'higher' : 'lower'}`,
  );
  console.log(`${first.agent} deploys build 2: ${await deploy(first, 2)}`);
  console.log(`agent-next deploys build 3: ${await deploy(second, 3)}`);
  await release(second);
  const third = await acquire('agent-last');
  console.log(`agent-next gave it back, agent-last has it at once: ${third !== undefined}`);
  await release(third);

  await store.flush();
  const builds = (await store.readStream('deployments').toArray()).map(({ data }) => data.build);
  console.log(`builds that were deployed: ${builds.join(', ')}`);
} finally {
  await store.close();
}

/** One process at a time has the directory open. */
async function open(dir) {
  try {
    return await openStore(dir);
  } catch (error) {
    if (!isKeeperError(error, 'ERR_LOCKED')) throw error;
    console.error(`${error.message}\n${error.hint}`);
    process.exit(1);
  }
}

/** Wait until no lease is in force: a process that died in the middle of this may have left one. */
async function free() {
  const last = await store.read(LEASES, { direction: 'backwards', limit: 1 }).first();
  if (last?.type === 'LeaseGranted') await passed(Math.max(0, last.data.expiresAt - Date.now() + 1));
}

/** The lease, or undefined while somebody else has it. */
async function acquire(agent) {
  const rows = store.read(LEASES);
  const last = (await rows.toArray()).at(-1);
  if (last?.type === 'LeaseGranted' && last.data.expiresAt > Date.now()) return undefined;
  const expiresAt = Date.now() + LEASE_MS;
  const event = { type: 'LeaseGranted', data: { agent, expiresAt }, tags: [RESOURCE] };
  try {
    const granted = await store.append('leases', event, { condition: { match: LEASES, after: rows.position } });
    return { agent, expiresAt, token: granted.firstSequence };
  } catch (error) {
    if (!isKeeperError(error, 'ERR_CONDITION_FAILED')) throw error;
    return undefined;
  }
}

async function release({ agent, token }) {
  await store.append('leases', { type: 'LeaseReleased', data: { agent, token }, tags: [RESOURCE] });
}

/** Do what the lease is for. Returns what became of it. */
async function deploy({ agent, token }, build) {
  const condition = { match: { types: 'LeaseGranted', tags: RESOURCE }, after: token };
  try {
    await store.append('deployments', { type: 'Deployed', data: { build, agent, token } }, { condition });
    return 'done';
  } catch (error) {
    if (!isKeeperError(error, 'ERR_CONDITION_FAILED')) throw error;
    return `refused, the lease was granted again as event ${error.sequence}`;
  }
}
