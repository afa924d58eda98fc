/** `keeperlog completion`: a script that completes this command line in a shell, made from the commands themselves. */
import { Argument, type Command } from 'commander';
import { makeCommand, onRun } from './command.js';
import { SHELLS, type Shell, scriptFor } from './completion/scripts.js';
import { data, toJson } from './output.js';

export function completionCommand(): Command {
  const command = makeCommand('completion', 'Print a script that completes commands, options and files in a shell.', [
    ['keeperlog completion bash', 'source it in ~/.bashrc'],
    ['keeperlog completion zsh', 'save it as _keeperlog in a directory of $fpath'],
    ['keeperlog completion fish', 'save it as ~/.config/fish/completions/keeperlog.fish'],
  ]).addArgument(new Argument('<shell>', 'the shell').choices(SHELLS));
  return onRun(command, async ({ json }, shell) => {
    const script = scriptFor(shell as Shell, command.parent!);
    await data(json === true ? toJson({ shell, script }) : script);
  });
}
