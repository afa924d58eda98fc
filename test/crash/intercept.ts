import type { Storage } from '../../dist/shared/storage.js';

/** A storage with some of its members replaced. */
export function intercept<S extends Storage>(storage: S, members: Partial<Storage>): S {
  return new Proxy(storage, {
    get(target, name) {
      const member = Reflect.get(members, name) ?? Reflect.get(target, name);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}
