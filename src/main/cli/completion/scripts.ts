/** The scripts by which shells complete this command line, made from the commands as they are declared. */
import type { Argument, Command, Option } from 'commander';
import { quote } from '../failure.js';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** What may stand in a place: one of some words, a file, a directory, or what cannot be known (`[]`). */
type Words = readonly string[] | 'file' | 'dir';

export function scriptFor(shell: Shell, program: Command): string {
  return shell === 'fish' ? fish(program) : caseScript(program, shell);
}

const optionsOf = (command: Command): readonly Option[] => command.createHelp().visibleOptions(command);
const flagsOf = ({ short, long }: Option): string[] => [short, long].filter((flag) => flag !== undefined);
const takesValue = ({ required, optional }: Option): boolean => required || optional;

/** By the name of the placeholder, `<file>` or `<dir>`, unless there are choices. */
function wordsOf(choices: readonly string[] | undefined, name: string | undefined): Words {
  return choices ?? (name === 'file' || name === 'dir' ? name : []);
}

function valuesOf({ argChoices, flags }: Option): Words {
  return wordsOf(argChoices, /[<[](\w+)/.exec(flags)?.[1]);
}

/** No command has arguments of different kinds that could be completed: the first one stands for all. */
function argumentsOf(command: Command): Words {
  const [first] = command.registeredArguments as Argument[];
  return wordsOf(first?.argChoices, first?.name());
}

/** How a shell that has `case` is told what may stand at the cursor. */
const DIALECTS = {
  bash: {
    head: `_keeperlog() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} verb= i
  local words=("\${COMP_WORDS[@]}")
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do`,
    tail: 'complete -F _keeperlog keeperlog',
    file: 'compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur")',
    dir: 'compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$cur")',
    list: (words: string) => `mapfile -t COMPREPLY < <(compgen -W ${quote(words)} -- "$cur")`,
  },
  zsh: {
    head: `#compdef keeperlog
_keeperlog() {
  local cur=$words[CURRENT] prev=$words[CURRENT-1] verb= i
  for ((i = 2; i < CURRENT; i++)); do`,
    // Sourced, or loaded from $fpath at the first use.
    tail: 'if [[ $funcstack[1] == _keeperlog ]]; then _keeperlog "$@"; else compdef _keeperlog keeperlog; fi',
    file: '_files',
    dir: '_files -/',
    list: (words: string) => `compadd -- ${words}`,
  },
} as const;

function caseScript(program: Command, shell: keyof typeof DIALECTS): string {
  const dialect = DIALECTS[shell];
  const offer = (words: Words): string => {
    if (typeof words === 'string') return dialect[words];
    return words.length === 0 ? ':' : dialect.list(words.join(' '));
  };
  const globals = optionsOf(program);
  const places = [program, ...program.commands].map((command) => {
    const isProgram = command === program;
    const verb = isProgram ? '' : command.name();
    // An option's value comes first: it may begin with anything.
    const own = isProgram ? globals : [...optionsOf(command), ...program.options];
    const values = own.filter(takesValue).map((option) => {
      const patterns = flagsOf(option).map((flag) => `'${verb} ${flag} '*`);
      return `    ${patterns.join(' | ')}) ${offer(valuesOf(option))} ;;`;
    });
    const words = isProgram ? program.commands.map((each) => each.name()) : argumentsOf(command);
    const options = [...new Set(own.flatMap(flagsOf))];
    return [...values, `    '${verb} '*' -'*) ${offer(options)} ;;`, `    '${verb} '*) ${offer(words)} ;;`].join('\n');
  });
  const skipped = globals.filter(takesValue).flatMap(flagsOf).join(' | ');
  return `${dialect.head}
    case \${words[i]} in
      ${skipped}) ((i++)) ;;
      -*) ;;
      *) verb=\${words[i]}; break ;;
    esac
  done
  case "$verb $prev $cur" in
${places.join('\n')}
  esac
}
${dialect.tail}`;
}

function fish(program: Command): string {
  const text = (words: string): string => `'${words.replace(/['\\]/g, '\\$&')}'`;
  const offer = (words: Words): string => {
    if (words === 'file') return '-rF';
    return `-x${words.length === 0 ? '' : ` -a ${text(words === 'dir' ? '(__fish_complete_directories)' : words.join(' '))}`}`;
  };
  const optionLines = (command: Command, when: string): string[] =>
    optionsOf(command).map((option) => {
      const flags = flagsOf(option).map((flag) => flag.replace(/^--/, '-l ').replace(/^-(\w)$/, '-s $1'));
      const values = takesValue(option) ? [offer(valuesOf(option))] : [];
      return ['complete -c keeperlog', when, ...flags, ...values, '-d', text(option.description)].join(' ');
    });
  const none = text(`not __fish_seen_subcommand_from ${program.commands.map((command) => command.name()).join(' ')}`);
  const lines = program.commands.flatMap((command) => {
    const when = `-n '__fish_seen_subcommand_from ${command.name()}'`;
    const words = argumentsOf(command);
    const values = words === 'file' ? '-F' : offer(words);
    return [
      `complete -c keeperlog -n ${none} -a ${command.name()} -d ${text(command.description())}`,
      ...(words.length === 0 ? [] : [`complete -c keeperlog ${when} ${values}`]),
      ...optionLines(command, when),
    ];
  });
  return ['complete -c keeperlog -f', ...optionLines(program, ''), ...lines].join('\n');
}
