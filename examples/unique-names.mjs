/**
 * Uniqueness: a name is registered once, whoever asks first, without a lock and without a stream for each name.
 *
 *   node examples/unique-names.mjs [DIR]
 *
 * Forty agents register names at once, most of which others want too. An append with a condition is let in only if no event
 * matches: here, no earlier registration of the same name that was not given back. Without DIR the store is a temporary one.
 */
import { isKeeperError, openStore } from 'keeperlog';

const AGENTS = 40;
const NAMES = Array.from({ length: 100 }, (_, i) => `name-${i}`);

const store = await openStore(process.argv[2] ?? ':memory:');

try {
  const results = await Promise.all(Array.from({ length: AGENTS }, (_, i) => runAgent(`agent-${i}`, i)));
  const won = results.flatMap(({ won }) => won);
  const refused = results.reduce((sum, { refused }) => sum + refused, 0);
  const owners = await readOwners();
  for (const { name, agent } of won) {
    if (owners.get(name) !== agent)
      throw new Error(`${agent} was told that it has ${name}, which ${owners.get(name)} has`);
  }
  console.log(
    `${AGENTS} agents asked for ${won.length + refused} names: ${won.length} were free, ${refused} were taken`,
  );

  // Who gives a name back makes it free: the condition looks only behind the last time that it was.
  const [name] = NAMES;
  await store.append('names', { type: 'NameGivenBack', data: { name }, tags: [`name:${name}`] });
  const again = await register(name, 'agent-new');
  console.log(`${name} went from ${owners.get(name)} to agent-new: ${again}`);
} finally {
  await store.close();
}

/** Each agent wants a third of the names, beginning elsewhere. */
async function runAgent(agent, i) {
  const result = { won: [], refused: 0 };
  for (let k = 0; k < NAMES.length / 3; k++) {
    const name = NAMES[(i * 7 + k) % NAMES.length];
    if (await register(name, agent)) result.won.push({ name, agent });
    else result.refused++;
  }
  return result;
}

/** Returns whether the name is the agent's now. */
async function register(name, agent) {
  const tag = `name:${name}`;
  const back = await store.read({ types: 'NameGivenBack', tags: tag }, { direction: 'backwards', limit: 1 }).first();
  const condition = { match: { types: 'NameRegistered', tags: tag }, after: back?.sequence ?? 0 };
  try {
    await store.append('names', { type: 'NameRegistered', data: { name, agent }, tags: [tag] }, { condition });
    return true;
  } catch (error) {
    if (!isKeeperError(error, 'ERR_CONDITION_FAILED')) throw error;
    return false;
  }
}

/** Who has which name, by the whole history: no name is registered while somebody has it. */
async function readOwners() {
  const owners = new Map();
  for await (const { type, data } of store.read({ types: ['NameRegistered', 'NameGivenBack'] })) {
    if (type === 'NameGivenBack') owners.delete(data.name);
    else if (owners.has(data.name)) throw new Error(`${data.name} was registered twice`);
    else owners.set(data.name, data.agent);
  }
  return owners;
}
