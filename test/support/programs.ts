/** Programs that use the package, in processes of their own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface Program {
  readonly process: ChildProcess;
  /** Resolves with what it has written once that includes a text. */
  says(text: string): Promise<string>;
  /** Resolves when it has ended. */
  readonly ended: Promise<{ code: number | null; signal: string | null; output: string }>;
}

/** Run a module's text, with `openStore` at hand and arguments in `args`. */
export function run(text: string, ...args: string[]): Program {
  const program = `import { openStore } from 'keeperlog'; const args = process.argv.slice(1);\n${text}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, ...args], {
    cwd: ROOT,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let output = '';
  const listeners = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += String(chunk);
      for (const listener of listeners) listener();
    });
  }
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal, output }));
  return {
    process: child,
    ended,
    says: (text) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (output.includes(text)) resolve(output);
        };
        listeners.add(look);
        look();
        ended.then(() => reject(new Error(`the program ended without "${text}": ${output}`)));
      }),
  };
}
