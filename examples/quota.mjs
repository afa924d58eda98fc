/**
 * A quota: what all agents of a project spend together stays within its budget, however many of them spend at once.
 *
 *   node examples/quota.mjs [DIR]
 *
 * To spend is to decide on the project's own events alone, read by its tag, and to append with those same events as the condition:
 * if another agent has spent meanwhile, the append is refused, and the decision is made again on what the budget has become.
 * Projects do not get in each other's way. Without DIR the store is a temporary one.
 */
import { isKeeperError, openStore } from 'keeperlog';

const PROJECTS = ['atlas', 'borealis', 'cirrus'];
const AGENTS_EACH = 8;
const BUDGET = 1000;

const store = await openStore(process.argv[2] ?? ':memory:');
let conflicts = 0;

try {
  for (const project of PROJECTS) {
    await store.append('budgets', { type: 'BudgetGranted', data: { tokens: BUDGET }, tags: [`project:${project}`] });
  }
  const agents = PROJECTS.flatMap((project) => Array.from({ length: AGENTS_EACH }, (_, i) => runAgent(project, i)));
  const refusals = (await Promise.all(agents)).reduce((sum, one) => sum + one, 0);

  for (const project of PROJECTS) {
    const { left, granted } = await budgetOf(project);
    if (left < 0) throw new Error(`${project} has spent ${-left} tokens that it did not have`);
    const spendings = await store.read({ types: 'TokensSpent', tags: `project:${project}` }).toArray();
    console.log(`${project}: ${spendings.length} spendings, ${granted - left} of ${granted} tokens`);
  }
  console.log(`${conflicts} decisions were made again, ${refusals} agents stopped at the end of their budget`);
} finally {
  await store.close();
}

/** Spend until the budget does not have it any more. */
async function runAgent(project, i) {
  for (let call = 0; ; call++) {
    const tokens = 10 + ((i * 13 + call * 7) % 50);
    if (!(await spend(project, `agent-${i}`, tokens))) return 1;
  }
}

/** Returns whether the budget had it. */
async function spend(project, agent, tokens) {
  for (;;) {
    const { left, match, position } = await budgetOf(project);
    if (tokens > left) return false;
    const event = { type: 'TokensSpent', data: { tokens }, metadata: { agent }, tags: [`project:${project}`] };
    try {
      await store.append(`agents/${agent}`, event, { condition: { match, after: position } });
      return true;
    } catch (error) {
      if (!isKeeperError(error, 'ERR_CONDITION_FAILED')) throw error;
      conflicts++;
      // What was in the way is accepted and perhaps not durable yet; only what is durable is read.
      await store.flush();
    }
  }
}

/** What was granted and what is left, and what that was read from. */
async function budgetOf(project) {
  const match = { types: ['BudgetGranted', 'TokensSpent'], tags: `project:${project}` };
  const rows = store.read(match);
  let [granted, spent] = [0, 0];
  for await (const { type, data } of rows) {
    if (type === 'BudgetGranted') granted += data.tokens;
    else spent += data.tokens;
  }
  return { granted, left: granted - spent, match, position: rows.position };
}
