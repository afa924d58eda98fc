/**
 * What a soak does at once in each round. Each part takes the round: its directory, its numbers (`random`), whether its
 * time is over (`over`), and where it counts what it has done (`count`).
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openStore } from '../../dist/main/index.js';
import { agentLoad } from '../faults/load.mjs';
import { checkWhole, insist, refused } from './checks.mjs';

const CHILD = fileURLToPath(new URL('../faults/child.mjs', import.meta.url));
/** Small, so that rotation, old segments and checkpoints come all the time. */
const SMALL = { segmentBytes: 64 * 1024, cacheBytes: 1024 * 1024 };
/** Requests to the program that is killed. */
const OPEN = 1;
const LOAD = 2;
/** Calls of one agent before its load is looked at again. */
const CALLS = 25;

/** One store under load by every way of appending, with readers in it and a follower beside it; then all of it is checked. */
export async function loadedStore(round) {
  const dir = path.join(round.dir, 'loaded');
  const store = await openStore({ dir, ...SMALL });
  const acks = [];
  const acknowledged = (ack) => {
    acks.push(ack);
    round.count('events', ack.ids.length);
  };
  const follower = follow(round, dir);
  const others = [reading(round, store), blocking(round, store, acknowledged), repeating(round, store, acknowledged)];
  // However slow the machine is, there is a rotation in each round.
  for (let part = 0; !round.over() || store.stats().segments < 2; part++) {
    await agentLoad(store, { run: `load-${part}`, agents: 4, calls: CALLS, seed: round.seed + part }, acknowledged);
  }
  await Promise.all(others);
  await store.flush();
  const events = await checkWhole(store, round.mutate(acks));
  const { durable, segments } = store.stats();
  insist(durable === events, `${durable} events are durable, and ${events} are there`);
  round.count('rotations', segments - 1);
  await (await follower)(events);
  await store.close();
}

/** A read-only opener that reads what comes, while it comes. Resolves with what ends it: it must have seen all. */
async function follow(round, dir) {
  const reader = await openStore({ dir, readOnly: true });
  let seen = 0;
  const catchUp = async () => {
    for await (const { sequence } of reader.read({}, { after: seen })) {
      insist(sequence === seen + 1, `the follower sees sequence ${sequence} after ${seen}`);
      seen = sequence;
    }
  };
  const following = (async () => {
    while (!round.over()) {
      await catchUp();
      await new Promise(setImmediate);
    }
  })();
  following.catch(() => {}); // raised where it is awaited
  return async (total) => {
    await following;
    // The watermark is written right behind the acknowledgement.
    while (seen < total) await catchUp();
    insist(seen === total, `the follower has seen ${seen} of ${total} events`);
    round.count('followed', seen);
    await reader.close();
  };
}

/** Reads of every kind. */
async function reading(round, store) {
  let rows = 0;
  for (let turn = 0; rows === 0 || !round.over(); turn++) {
    const total = store.stats().durable;
    const from = 1 + Math.floor(round.random() * total);
    const found =
      turn % 4 === 0
        ? store.read({}, { from, limit: 500 })
        : turn % 4 === 1
          ? store.read({}, { direction: 'backwards', from, limit: 200 })
          : turn % 4 === 2
            ? store.readStream(`agent-${turn % 5}`, { limit: 500 })
            : store.read({ agent: 'agent-1', types: ['work.*'] }, { limit: 300 });
    let before;
    for await (const event of found) {
      if (turn % 4 === 0 && before !== undefined) insist(event.sequence === before + 1, 'a read has a gap');
      if (turn % 4 === 1 && before !== undefined) insist(event.sequence === before - 1, 'a read backwards has a gap');
      before = event.sequence;
      rows++;
      round.count('read', 1);
    }
    await sleep(2);
  }
}

/** appendSync and enqueue. */
async function blocking(round, store, acknowledged) {
  for (let n = 0; n === 0 || !round.over(); n++) {
    const event = (call) => ({ type: 'work.blocking', data: { call, place: 0, size: 1 } });
    const { ids } = store.appendSync('blocking', event(`sync.${n}`));
    acknowledged({ call: `sync.${n}`, ids });
    const enqueued = store.enqueue('blocking', event(`enqueued.${n}`));
    acknowledged({ call: `enqueued.${n}`, ids: (await enqueued.durable).ids });
    await sleep(5);
  }
}

/** The same keys again and again: each event is there once. */
async function repeating(round, store, acknowledged) {
  for (let n = 0; n === 0 || !round.over(); n++) {
    const call = `repeated.${n}`;
    const event = { type: 'work.repeated', data: { call, place: 0, size: 1 }, idempotencyKey: call };
    const [first, second] = await Promise.all([store.append('repeated', event), store.append('repeated', event)]);
    insist(second.duplicate && second.ids[0] === first.ids[0], `the key ${call} was taken twice`);
    acknowledged({ call, ids: first.ids });
    await sleep(3);
  }
}

/** Small stores that are opened, refused to others, closed, damaged and removed. */
export async function shortStores(round) {
  for (let n = 0; n === 0 || !round.over(); n++) {
    const dir = path.join(round.dir, `short-${n}`);
    for (let times = 1; times <= 3; times++) {
      const store = await openStore({ dir, segmentBytes: 65_536 });
      await store.append('a', { type: 'opened', data: { times } });
      const found = await store.readStream('a').toArray();
      insist(found.length === times, `after ${times} openings there are ${found.length} events`);
      if (times === 2) await refused(openStore({ dir }), 'ERR_LOCKED');
      await store.close();
      round.count('openings', 1);
    }
    const file = path.join(dir, 'segment-0000000001.log');
    const bytes = fs.readFileSync(file);
    bytes[300] ^= 0xff;
    fs.writeFileSync(file, bytes);
    await refused(openStore({ dir }), 'ERR_CORRUPT');
    const reader = await openStore({ dir, readOnly: true });
    await refused(reader.read().toArray(), 'ERR_CORRUPT');
    await reader.close();
    round.count('refused openings', 2);
    fs.rmSync(dir, { recursive: true });
  }
}

/** A program that appends, is killed with -9 now and then, and whose store is compared with what it had acknowledged. */
export async function killedPrograms(round) {
  const dir = path.join(round.dir, 'killed');
  const acks = [];
  for (let n = 0; n === 0 || !round.over(); n++) {
    const load = { run: `kill-${n}`, seed: round.seed + n };
    acks.push(...(await loadAndKill(dir, load, 20 + Math.floor(round.random() * 200), round.ended)));
    round.count('kills', 1);
    const store = await openStore({ dir, segmentBytes: 65_536 });
    await checkWhole(store, acks);
    await store.close();
  }
}

/**
 * Have a program load a store, and kill it with -9 after so many acknowledgements, or when it is time.
 * @returns what it had acknowledged
 */
async function loadAndKill(dir, load, wanted, time) {
  const program = spawn(process.execPath, [CHILD], { stdio: ['pipe', 'pipe', 'inherit'] });
  program.stdin.on('error', () => {}); // it is killed
  const ended = once(program, 'close');
  const say = (id, command, args) => program.stdin.write(`${JSON.stringify({ id, command, args })}\n`);
  const acks = [];
  let failure;
  const enough = new Promise((resolve) => {
    createInterface({ input: program.stdout }).on('line', (line) => {
      const { id, ack, error } = parsed(line);
      if (error !== undefined) failure = new Error(`the program that is killed: ${error.code} ${error.message}`);
      if (ack !== undefined) acks.push(ack);
      if (error !== undefined || acks.length === wanted) resolve();
      else if (id === OPEN) say(LOAD, 'load', load);
    });
  });
  say(OPEN, 'open', { dir, segmentBytes: 65_536 });
  await Promise.race([enough, ended, time]);
  program.kill('SIGKILL');
  // What it had said before is heard by then.
  await ended;
  if (failure !== undefined) throw failure;
  return acks;
}

/** A disk that is full for a moment: what is refused is not there, what was acknowledged is, and writes resume. */
export async function fullDisk(round) {
  const disk = path.join(round.dir, 'disk');
  fs.mkdirSync(disk);
  await command('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'keeperlog-soak', disk]);
  try {
    const store = await openStore({ dir: path.join(disk, 'store'), ...SMALL });
    const acks = [];
    const append = async (call) => {
      const data = { call, place: 0, size: 1, pad: 'x'.repeat(20_000) };
      acks.push({ call, ids: (await store.append('a', { type: 'work.full', data })).ids });
    };
    await append('first');
    const ballast = path.join(disk, 'ballast');
    const { bavail, bsize } = fs.statfsSync(disk);
    fs.writeFileSync(ballast, Buffer.alloc(Math.max(0, bavail * bsize - 64 * 1024)));
    const fill = async () => {
      for (let n = 0; ; n++) await append(`filling.${n}`);
    };
    await refused(fill(), 'ERR_DEGRADED');
    fs.rmSync(ballast);
    while (store.stats().mode === 'suspended') await sleep(20);
    await append('resumed');
    await checkWhole(store, acks);
    await store.close();
    round.count('full disks', 1);
  } finally {
    await command('umount', ['-l', disk]);
  }
}

async function command(name, args) {
  const [code] = await once(spawn(name, args, { stdio: ['ignore', 'ignore', 'inherit'] }), 'close');
  insist(code === 0, `${name} ${args.join(' ')} ended with ${code}`);
}

function parsed(line) {
  try {
    return JSON.parse(line);
  } catch {
    return {}; // cut by the end of the program
  }
}
