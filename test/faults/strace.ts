/** How a program is run under strace. */

/** The command in front of it: stopping at the calls alone that are met, where that is possible; a signal is not injected then. */
export function stracing(args: readonly string[] | undefined): string[] {
  if (args === undefined) return [];
  const isFast = !args.some((arg) => arg.includes(':signal='));
  return ['strace', '-f', ...(isFast ? ['--seccomp-bpf'] : []), '-qq', ...args];
}

/** Its environment. Calls are counted by thread: what is read without blocking is read by one. */
export function traceable(args: readonly string[] | undefined): object {
  return { UV_USE_IO_URING: '0', ...(args !== undefined && { UV_THREADPOOL_SIZE: '1' }) };
}
