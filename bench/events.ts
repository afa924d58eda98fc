/** What the benches append: small events, and the real webhook bodies of @octokit/webhooks-examples. */
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
