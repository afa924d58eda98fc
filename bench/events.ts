/**
 * What the benches append: small events, the real webhook bodies of @octokit/webhooks-examples, and real sessions of agents, where they are
 * at hand.
 */
import fs from 'node:fs';
import { createRequire } from 'node:module';

/** An event as the benches know it. */
export interface BenchEvent {
  readonly type: string;
  readonly data: unknown;
}

/** What an agent host appends all day: 175 bytes of MessagePack. */
const SMALL: BenchEvent = {
  type: 'ToolCalled',
  data: {
    agent: 'agent-17',
    step: 1234,
    tool: 'bash',
    input: { command: 'npm test -- --run src/ring', cwd: '/srv/repo' },
    exitCode: 0,
    ok: true,
    durationMs: 12.75,
    tokens: 4821,
    note: 'ran the tests, all green',
    model: 'm-4',
  },
};

interface WebhookDefinition {
  readonly name: string;
  readonly examples: readonly object[];
}

/** Real GitHub webhook bodies, 0.9 to 27 KB. */
export function webhooks(): BenchEvent[] {
  const definitions = createRequire(import.meta.url)('@octokit/webhooks-examples') as readonly WebhookDefinition[];
  return definitions.flatMap(({ name, examples }) => examples.map((data) => ({ type: `github.${name}`, data })));
}

export function small(): BenchEvent[] {
  return [SMALL];
}

/** What one call of append takes. */
export interface BenchBatch {
  readonly stream: string;
  readonly events: readonly object[];
}

const BATCH = 100;
const STREAMS = 10;

/** The same events over and over, of some streams in turn. */
export function* inTurn(events: readonly BenchEvent[]): Generator<BenchBatch> {
  for (let next = 0; ; next += BATCH) {
    const batch = Array.from({ length: BATCH }, (_, i) => events[(next + i) % events.length]!);
    yield { stream: `agent-${(next / BATCH) % STREAMS}`, events: batch };
  }
}

/** A line of a file of sessions: the cause is the number of another line, from 0 on, of the same session. */
interface SessionEvent extends BenchEvent {
  readonly stream: string;
  readonly metadata: { readonly agent: string; readonly correlationId: string; readonly session: string };
  readonly cause: number | null;
}

/** The sessions of a file over and over, each a batch, with other names and ids each time; undefined where there is no such file. */
export function sessions(file: string): Generator<BenchBatch> | undefined {
  if (!fs.existsSync(file)) return undefined;
  const lines = fs.readFileSync(file, 'utf8').split('\n').filter(Boolean);
  return overAndOver(lines.map((line) => JSON.parse(line) as SessionEvent));
}

function* overAndOver(events: readonly SessionEvent[]): Generator<BenchBatch> {
  for (let time = 0; ; time++) {
    for (let first = 0; first < events.length; ) {
      const { stream } = events[first]!;
      const end = events.findIndex((event, i) => i > first && event.stream !== stream);
      const session = events.slice(first, end === -1 ? undefined : end);
      yield { stream: `${stream}-${time}`, events: session.map((event) => again(event, first, time)) };
      first += session.length;
    }
  }
}

function again({ type, data, metadata, cause }: SessionEvent, first: number, time: number): object {
  const { agent, correlationId, session } = metadata;
  return {
    type,
    data,
    metadata: { agent, session: `${session}-${time}`, correlationId: `${correlationId}-${time}` },
    causes: cause === null ? [] : [cause - first],
  };
}
