import { describe, expect, it } from 'vitest';
import { crashStates, onlyDurable } from './crash-states.js';
import { NORMAL } from './fates.js';
import { EMPTY_DISK, type Image } from './image.js';
import { MemoryDisk } from './memory-disk.js';

function statesAfter(work: (disk: MemoryDisk) => void, base: Image = EMPTY_DISK): Image[] {
  const disk = new MemoryDisk(base);
  work(disk);
  return [...crashStates(base, disk.journal, NORMAL, { from: disk.journal.length })].map(({ image }) => image);
}

/** A disk with a durable file of so many equal bytes. */
function diskWith(name: string, length: number): Image {
  const disk = new MemoryDisk(EMPTY_DISK);
  const handle = disk.openWrite(name, 'create');
  disk.write(handle, [Buffer.alloc(length, 'o')], 0);
  return disk.image();
}

function textOf(image: Image, name: string): string | undefined {
  const inode = image.names.get(name);
  return inode === undefined ? undefined : image.contents.get(inode)!.toString();
}

describe('a power cut', () => {
  it('keeps or drops each write that was not synced', () => {
    const states = statesAfter(
      (disk) => {
        const handle = disk.openWrite('/f', 'existing');
        disk.write(handle, [Buffer.from('a')], 0);
        disk.write(handle, [Buffer.from('b')], 1);
      },
      diskWith('/f', 2),
    );
    expect(states.map((image) => textOf(image, '/f')).sort()).toEqual(['ab', 'ao', 'ob', 'oo']);
  });

  it('tears a write at its sectors, not inside of them', () => {
    const texts = statesAfter(
      (disk) => {
        disk.write(disk.openWrite('/f', 'existing'), [Buffer.alloc(1536, 'n')], 0);
      },
      diskWith('/f', 1536),
    ).map((image) => textOf(image, '/f')!);
    const sectors = texts.map((text) => [0, 512, 1024].map((at) => text[at]).join(''));
    expect(sectors).toEqual(expect.arrayContaining(['nnn', 'ooo', 'noo', 'onn', 'nno', 'oon', 'non']));
    for (const text of texts) expect(text).toMatch(/^((n{512})|(o{512})){3}$/);
  });

  it('leaves zeros where a later sector of a growing file is kept and an earlier one is not', () => {
    const texts = statesAfter(
      (disk) => {
        disk.write(disk.openWrite('/f', 'existing'), [Buffer.alloc(1024, 'n')], 0);
      },
      diskWith('/f', 0),
    ).map((image) => textOf(image, '/f')!);
    expect(texts).toContain('\0'.repeat(512) + 'n'.repeat(512));
  });

  it('keeps what was synced', () => {
    const states = statesAfter(
      (disk) => {
        const handle = disk.openWrite('/f', 'existing');
        disk.write(handle, [Buffer.from('new')], 0);
        disk.sync(handle);
      },
      diskWith('/f', 3),
    );
    expect(states.map((image) => textOf(image, '/f'))).toEqual(['new']);
  });

  it('may take what a failed sync has left, whatever is synced afterwards, unless it was written again', () => {
    const work = (again: boolean) => (disk: MemoryDisk) => {
      const handle = disk.openWrite('/f', 'existing');
      disk.write(handle, [Buffer.from('a')], 0);
      expect(() => disk.failSync(handle)).toThrow('EIO');
      if (again) disk.write(handle, [Buffer.from('a')], 0);
      disk.write(handle, [Buffer.from('b')], 1);
      disk.sync(handle);
    };
    const states = (again: boolean): (string | undefined)[] =>
      statesAfter(work(again), diskWith('/f', 2)).map((image) => textOf(image, '/f'));
    expect(states(false).sort()).toEqual(['ab', 'ob']);
    expect(states(true)).toEqual(['ab']);
  });

  it('may lose the name of a file whose content was synced', () => {
    const states = statesAfter((disk) => {
      const handle = disk.openWrite('/f', 'create');
      disk.write(handle, [Buffer.from('new')], 0);
      disk.sync(handle);
    });
    expect(states.map((image) => textOf(image, '/f')).sort()).toEqual(['new', undefined]);
  });

  it('may lose the content of a file whose name was synced', () => {
    const states = statesAfter((disk) => {
      disk.write(disk.openWrite('/f', 'create'), [Buffer.from('new')], 0);
      disk.syncDir('/');
    });
    expect(states.map((image) => textOf(image, '/f')).sort()).toEqual(['', 'new']);
  });

  it('leaves the old or the new file under a name that was replaced, never none', () => {
    const states = statesAfter(
      (disk) => {
        const handle = disk.openWrite('/f.tmp', 'create');
        disk.write(handle, [Buffer.from('new')], 0);
        disk.sync(handle);
        disk.rename('/f.tmp', '/f');
      },
      diskWith('/f', 3),
    );
    expect(new Set(states.map((image) => textOf(image, '/f')))).toEqual(new Set(['ooo', 'new']));
  });

  it('may bring a removed file back, and what was cut off', () => {
    const removed = statesAfter((disk) => disk.remove('/f'), diskWith('/f', 1));
    expect(removed.map((image) => textOf(image, '/f')).sort()).toEqual(['o', undefined]);
    const cut = statesAfter((disk) => disk.truncate(disk.openWrite('/f', 'existing'), 1), diskWith('/f', 3));
    expect(cut.map((image) => textOf(image, '/f')).sort()).toEqual(['o', 'ooo']);
  });

  it('takes a directory with everything in it if its name was not synced', () => {
    const disk = new MemoryDisk(EMPTY_DISK);
    disk.makeDir('/d/e');
    disk.sync(disk.openWrite('/d/e/f', 'create'));
    disk.syncDir('/d/e');
    disk.syncDir('/d');
    expect([...onlyDurable(disk.base, disk.journal).names.keys()]).toEqual(['/']);
    disk.syncDir('/');
    expect([...onlyDurable(disk.base, disk.journal).names.keys()].sort()).toEqual(['/', '/d', '/d/e', '/d/e/f']);
  });

  it('comes after a promise, not between it and the step that it was made for', () => {
    const disk = new MemoryDisk<string>(EMPTY_DISK);
    disk.makeDir('/d');
    disk.note('promised');
    const notes = [...crashStates(disk.base, disk.journal, NORMAL)].map(({ steps, note }) => ({ steps, note }));
    expect(notes).toEqual([
      { steps: 0, note: undefined },
      { steps: 2, note: 'promised' },
      { steps: 2, note: 'promised' },
    ]);
  });
});
