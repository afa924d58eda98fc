/** As much as a task reads at once. Unit: bytes. */
const SLICE_MEMORY_BYTES = 4 * 1024 * 1024;

let memory: Buffer | undefined;

/**
 * Memory of this thread for the raw bytes of a task, which has it from its first read to its end, without waiting for anything: to take
 * new memory for each costs more than to read.
 */
export function sliceMemory(): Buffer {
  memory ??= Buffer.allocUnsafeSlow(SLICE_MEMORY_BYTES);
  return memory;
}
