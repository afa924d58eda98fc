/** What kind of file system the directory is on, and how much room it has. */
import fs from 'node:fs';
import { parseOptions } from '../../../shared/options.js';
import { bytesText, countText } from '../output.js';
import { causeOf, type Finding, ok, problem, warning } from './finding.js';

const LOCAL = 'Nothing is to be done: sync, rename and locks are as the store needs them.';
const NETWORK =
  'Move the directory to a local disk: a network file system may answer a sync before the bytes are on a disk, and its locks and renames may fail.';
const USERSPACE =
  'Move the directory to a local disk unless the program behind the mount is known to pass every sync on to one.';
const VOLATILE = 'Move the directory to a disk: this file system is in memory, and gone when the machine restarts.';
const LAYERED = 'Give the container a volume or a bind mount for the directory: its own layer is gone with it.';

/** By the numbers of statfs(2), Linux. */
const TYPES: Readonly<Record<number, readonly [name: string, advice: string]>> = {
  61267: ['ext2, ext3 or ext4', LOCAL],
  1481003842: ['xfs', LOCAL],
  2435016766: ['btrfs', LOCAL],
  801189825: ['zfs', LOCAL],
  4076150800: ['f2fs', LOCAL],
  3393526350: ['bcachefs', LOCAL],
  26985: ['nfs', NETWORK],
  20859: ['smb', NETWORK],
  4283649346: ['cifs', NETWORK],
  4266872130: ['smb2', NETWORK],
  12805120: ['ceph', NETWORK],
  198183888: ['lustre', NETWORK],
  1397113167: ['afs', NETWORK],
  16914839: ['9p', USERSPACE],
  1702057286: ['fuse', USERSPACE],
  2020557398: ['vboxsf', USERSPACE],
  16914836: ['tmpfs', VOLATILE],
  2240043254: ['ramfs', VOLATILE],
  2035054128: ['overlay', LAYERED],
};

/** Where so many segments have no room, it is time to look. */
const SEGMENTS_AHEAD = 10;
const FEW_NAMES = 1000;

export function checkFileSystem(dir: string): readonly Finding[] {
  try {
    const found = fs.statfsSync(dir) as fs.StatsFs & { readonly ffree: number };
    return [checkType(found.type >>> 0), ...checkRoom(found)];
  } catch (error) {
    const code = causeOf(error);
    return [problem('file system', `cannot be asked: ${code}`, { code }, 'Look at the mount of the directory.')];
  }
}

function checkType(type: number): Finding {
  const number = `0x${type.toString(16)}`;
  if (process.platform !== 'linux') {
    const advice = 'Try it well before you rely on it: the store is tested on Linux.';
    return warning('file system', `type ${number} on ${process.platform}`, { type: number }, advice);
  }
  const [name, advice] = TYPES[type] ?? [
    'unknown',
    'Find out whether fdatasync and rename mean there what they mean on ext4, where the store is tested.',
  ];
  const measured = { type: number, name };
  const value = name === 'unknown' ? `of a type that is not known here (${number})` : name;
  return advice === LOCAL ? ok('file system', value, measured) : warning('file system', value, measured, advice);
}

function checkRoom({ bavail, blocks, bsize, files, ffree }: fs.StatsFs & { ffree: number }): readonly Finding[] {
  const { segmentBytes } = parseOptions('.');
  const [freeBytes, totalBytes] = [bavail * bsize, blocks * bsize];
  const value = `${bytesText(freeBytes)} of ${bytesText(totalBytes)}`;
  const advice = `Make room: a segment takes ${bytesText(segmentBytes)}, and on a full disk appends are refused until there is space.`;
  const measured = { freeBytes, totalBytes };
  const findings: Finding[] = [];
  if (freeBytes < segmentBytes) findings.push(problem('free space', value, measured, advice));
  else if (freeBytes < SEGMENTS_AHEAD * segmentBytes) findings.push(warning('free space', value, measured, advice));
  else findings.push(ok('free space', value, measured));
  // File systems that make names as they are needed tell zero of zero.
  if (files > 0 && ffree < FEW_NAMES) {
    const names = 'Delete files that are not needed: each segment wants a name (inode) of its own.';
    findings.push(warning('free names', `${countText(ffree)} of ${countText(files)}`, { free: ffree, files }, names));
  }
  return findings;
}
