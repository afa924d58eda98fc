import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { PageCache } from '../../dist/main/read/page-cache.js';
import { nodeStorage } from '../../dist/shared/storage.js';

/** A read that takes so long. */
function taking(ms: number): () => number {
  return () => {
    vi.advanceTimersByTime(ms);
    return 100;
  };
}

describe('small reads', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
  afterEach(() => void vi.useRealTimers());

  test('are done at once as long as they are fast; large ones never', () => {
    const cache = new PageCache();
    for (let i = 0; i < 3; i++) {
      expect(cache.isLikely(64 * 1024)).toBe(true);
      expect(cache.isLikely(64 * 1024 + 1)).toBe(false);
      expect(cache.watch(taking(0))).toBe(100);
    }
  });

  test('go by the pool for a while after two slow ones, longer after each that follows, up to a limit', () => {
    const cache = new PageCache();
    cache.watch(taking(1));
    expect(cache.isLikely(1)).toBe(true);
    for (const pause of [10, 20, 40, 80, 160, 320, 640, 1280, 1280]) {
      cache.watch(taking(1));
      vi.advanceTimersByTime(pause - 1);
      expect(cache.isLikely(1)).toBe(false);
      vi.advanceTimersByTime(1);
      expect(cache.isLikely(1)).toBe(true);
    }
    cache.watch(taking(0));
    cache.watch(taking(1));
    expect(cache.isLikely(1)).toBe(false);
    vi.advanceTimersByTime(10);
    expect(cache.isLikely(1)).toBe(true);
  });

  test('are done at once still where a slow one comes now and then', () => {
    const cache = new PageCache();
    for (let i = 0; i < 5; i++) {
      cache.watch(taking(1));
      for (let fast = 0; fast < 32; fast++) cache.watch(taking(0));
      expect(cache.isLikely(1)).toBe(true);
    }
    cache.watch(taking(1));
    for (let fast = 0; fast < 31; fast++) cache.watch(taking(0));
    cache.watch(taking(1));
    expect(cache.isLikely(1)).toBe(false);
  });

  test('of a storage: its reads count, and nothing that is done beside them', () => {
    const cache = new PageCache();
    const slow = taking(1);
    const storage = cache.watching({ ...nodeStorage, read: taking(0), size: slow, exists: () => slow() > 0 });
    expect(storage.read(1, Buffer.alloc(1), 0)).toBe(100);
    expect([storage.size(1), storage.exists('file')]).toEqual([100, true]);
    expect(cache.isLikely(1)).toBe(true);
    for (let i = 0; i < 2; i++) cache.watching({ ...nodeStorage, read: slow }).read(1, Buffer.alloc(1), 0);
    expect(cache.isLikely(1)).toBe(false);
  });
});
