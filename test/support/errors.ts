/** What a call fails with. */
import { type ErrorCode, isKeeperError, type KeeperErrorOf } from 'keeperlog';
import { expect } from 'vitest';

/** The error of a call that is to fail with a code, whether it throws or rejects. */
export async function failure<C extends ErrorCode>(code: C, call: () => unknown): Promise<KeeperErrorOf<C>> {
  let result: unknown;
  try {
    result = await call();
  } catch (error) {
    if (!isKeeperError(error, code)) throw error;
    return error;
  }
  expect.fail(`resolved with ${String(result)} where ${code} was expected`);
}

/** The same where all that counts is code and path. */
export async function refusal(call: () => unknown): Promise<{ code: ErrorCode; path: unknown }> {
  try {
    await call();
  } catch (error) {
    if (!isKeeperError(error)) throw error;
    return { code: error.code, path: Reflect.get(error, 'path') };
  }
  expect.fail('resolved where a refusal was expected');
}
