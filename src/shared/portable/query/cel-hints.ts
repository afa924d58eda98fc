/** What is said of CEL that is no part of queries: what it is, and what to write instead. */

/** A node of a syntax tree, as far as it is looked at here. */
interface Node {
  readonly op: string;
  readonly args: unknown;
}

const CALCULATIONS: ReadonlySet<string> = new Set(['+', '-', '*', '/', '%', '-_']);
const NAMES: ReadonlySet<string> = new Set(['id', '.', '[]']);

const KNOWN: ReadonlySet<string> = new Set(['has', 'exists', 'startsWith', 'timestamp', 'double']);

/** Functions and methods that people know from elsewhere, and what to write. */
const INSTEAD: Readonly<Record<string, string>> = {
  size: 'has(event.tags) asks whether there is one, "x" in tags for one of them',
  endsWith: 'text.startsWith("…") asks how a text begins, and nothing how it goes on; filter the rows that are found',
  contains: 'text.startsWith("…") asks how a text begins, and nothing how it goes on; filter the rows that are found',
  matches: 'text.startsWith("…") and text in ["…", "…"] ask for texts; filter the rows that are found',
  all: 'list.exists(x, x in […]) asks for an element, !list.exists(…) for a list that has none',
  exists_one: 'list.exists(x, x in […]) asks for an element',
  filter: 'list.exists(x, x in […]) asks for an element',
  map: 'list.exists(x, x in […]) asks for an element',
  has: 'it takes one member of an event: has(data.n), has(event.agent)',
  exists: 'it takes a name and a test of it: tags.exists(t, t.startsWith("…"))',
  startsWith: 'it takes one text, of a member of an event: type.startsWith("…")',
  timestamp: 'it takes a text: timestamp("2026-01-31T12:00:00Z")',
  duration: 'compare with timestamp("2026-01-31T12:00:00Z")',
  double: 'it takes "Infinity" or "-Infinity"; other numbers are written as they are',
};

/** Whatever stands where a test is wanted. */
export function hintOf(node: Node): string {
  if (NAMES.has(node.op)) return 'is no test: compare it with something';
  return notSupported(node) ?? 'is no part of queries';
}

/** Whatever stands where a literal is wanted. */
export function hintOfOperand(node: Node): string {
  if (NAMES.has(node.op)) return 'must be a literal: members of an event are compared with values, not with each other';
  const why = notSupported(node);
  return why === undefined ? 'must be a literal' : `must be a literal, and ${why}`;
}

/** What is wrong with a part, where it is known. */
export function notSupported({ op, args }: Node): string | undefined {
  if (CALCULATIONS.has(op)) {
    const sign = op === '-_' ? '-' : op;
    return `calculates (${sign}), which queries do not: write data.n > 4 rather than data.n + 1 > 5`;
  }
  if (op === '?:') return 'chooses (? :), which queries do not: write (a && b) || (!a && c)';
  if (op !== 'call' && op !== 'rcall') return undefined;
  const [name] = args as [string];
  // Of those that queries do have, it is said what they take.
  const known = KNOWN.has(name)
    ? `calls ${name}() otherwise than queries do`
    : `calls ${name}(), which queries do not have`;
  const instead = Object.hasOwn(INSTEAD, name) ? `: ${INSTEAD[name]}` : '';
  return known + instead;
}
