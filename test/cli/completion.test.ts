import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { emptyDir, run } from './keeperlog.js';

const isInstalled = (shell: string): boolean => spawnSync(shell, ['-c', 'true']).status === 0;

/** A directory with the script of a shell in `script`, and something to complete. */
async function withScript(shell: string): Promise<string> {
  const cwd = emptyDir();
  const { code, stdout, stderr } = await run(cwd, 'completion', shell);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  fs.writeFileSync(path.join(cwd, 'script'), stdout);
  fs.writeFileSync(path.join(cwd, 'events one.jsonl'), '');
  fs.mkdirSync(path.join(cwd, 'events dir'));
  return cwd;
}

/** The commands that the program has, each with its own long options. */
async function known(): Promise<Map<string, readonly string[]>> {
  const { stdout } = await run('/', '--help');
  const names = [...stdout.slice(stdout.indexOf('Commands:')).matchAll(/^ {2}([a-z-]+)/gm)].map(([, name]) => name!);
  const commands = new Map<string, readonly string[]>();
  for (const name of names.filter((name) => name !== 'help')) {
    const { stdout: help } = await run('/', name, '--help');
    commands.set(
      name,
      help.match(/^ +(-\w, )?--[a-z-]+/gm)!.map((line) => line.slice(line.indexOf('--'))),
    );
  }
  return commands;
}

describe('completion for bash', () => {
  let cwd: string;
  beforeEach(async () => {
    cwd = await withScript('bash');
  });

  /** What bash offers for the last word. */
  function offered(...words: string[]): string[] {
    const script = `
      source ./script
      COMP_WORDS=(keeperlog "$@") COMP_CWORD=$#
      compopt() { :; } # wants a completion that a key began
      _keeperlog
      printf '%s\\n' "\${COMPREPLY[@]}"`;
    const out = execFileSync('bash', ['--norc', '-uc', script, 'bash', ...words], { cwd, encoding: 'utf8' });
    return out.split('\n').filter((line) => line !== '');
  }

  test('offers commands where none is named yet, behind global options too', () => {
    expect(offered('ver')).toEqual(['verify']);
    expect(offered('--json', '--dir', 'append', 'st')).toEqual(['streams', 'stats']);
  });
  test('offers each command, and each of its options', async () => {
    const commands = await known();
    expect(offered('').sort()).toEqual([...commands.keys()].sort());
    for (const [name, options] of commands) {
      expect({ name, offered: offered(name, '--') }).toEqual({
        name,
        offered: expect.arrayContaining([...options]),
      });
    }
  });
  test('offers choices', () => {
    expect(offered('export', '--format', '')).toEqual(['jsonl', 'cloudevents']);
    expect(offered('completion', '')).toEqual(['bash', 'zsh', 'fish']);
  });
  test('offers files and directories where they are wanted, with spaces in their names', () => {
    expect(offered('ingest', 'ev').sort()).toEqual(['events dir', 'events one.jsonl']);
    expect(offered('bench', '--source', 'events o')).toEqual(['events one.jsonl']);
    expect(offered('--dir', 'ev')).toEqual(['events dir']);
    expect(offered('read', '--dir', 'ev')).toEqual(['events dir']);
  });
  test('offers nothing where nothing can be known', () => {
    expect(offered('append', 'ev')).toEqual([]);
    expect(offered('read', '--limit', 'ev')).toEqual([]);
    expect(offered('tail', '-n', '')).toEqual([]);
  });
});

describe('completion for fish', () => {
  test('names each command and each of its options', async () => {
    const { stdout } = await run('/', 'completion', 'fish');
    for (const [name, options] of await known()) {
      expect(stdout).toMatch(new RegExp(`^complete -c keeperlog -n '[^']+' -a ${name} `, 'm'));
      for (const option of options.filter((option) => !/--(dir|json|version)/.test(option))) {
        const line = `-n '__fish_seen_subcommand_from ${name}' (-s \\w )?-l ${option.slice(2)} `;
        expect(stdout).toMatch(new RegExp(`^complete -c keeperlog ${line}`, 'm'));
      }
    }
  });
  test.skipIf(!isInstalled('fish'))('works there', async () => {
    const cwd = await withScript('fish');
    const offered = (line: string): string[] =>
      execFileSync('fish', ['--no-config', '-c', 'source script; complete -C $argv[1]', line], {
        cwd,
        encoding: 'utf8',
      })
        .split('\n')
        .map((word) => word.split('\t')[0]!)
        .filter((word) => word !== '');
    expect(offered('keeperlog --dir x ver')).toEqual(['verify']);
    expect(offered('keeperlog export --format ').sort()).toEqual(['cloudevents', 'jsonl']);
    expect(offered('keeperlog append ')).toEqual([]);
  });
});

describe('completion for zsh', () => {
  test('has the same places as that for bash', async () => {
    const [bash, zsh] = await Promise.all(['bash', 'zsh'].map((shell) => run('/', 'completion', shell)));
    const places = (script: string): string[] => script.match(/^ +'.*?\*\)/gm)!.map((line) => line.trim());
    expect(places(zsh!.stdout)).toEqual(places(bash!.stdout));
    expect(zsh!.stdout).toContain("'export --format '*) compadd -- jsonl cloudevents ;;");
    expect(zsh!.stdout).toMatch(/^#compdef keeperlog\n/);
  });
  test.skipIf(!isInstalled('zsh'))('is well-formed there', async () => {
    const cwd = await withScript('zsh');
    execFileSync('zsh', ['-fn', 'script'], { cwd });
  });
});

describe('completion', () => {
  test('for another shell is refused as usage', async () => {
    const { code, stderr } = await run('/', 'completion', 'tcsh');
    expect(code).toBe(2);
    expect(stderr).toContain('bash, zsh, fish');
  });
});
