import type { Storage } from '../../dist/shared/storage.js';

/** A storage, or something else, with some of its members replaced. */
export function intercept<S extends Storage>(storage: S, members: Partial<Storage>): S;
export function intercept<S extends object>(other: S, members: Partial<S>): S;
export function intercept(inner: object, members: object): object {
  return new Proxy(inner, {
    get(target, name) {
      const member = Reflect.get(members, name) ?? Reflect.get(target, name);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}
