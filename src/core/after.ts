/**
 * Goes on with a value, at once where it is there already. Most questions of a session are answered from memory; a promise
 * for each would cost more than the answers.
 */
export function after<A, B>(value: A | Promise<A>, then: (value: A) => B | Promise<B>): B | Promise<B> {
  return value instanceof Promise ? value.then(then) : then(value);
}
