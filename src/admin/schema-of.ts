import type { z } from 'zod';

/** What a type says of the JSON it becomes: nothing is written to there, and undefined is what is missing. */
type Shape<T> = T extends readonly (infer E)[]
  ? readonly Shape<E>[]
  : T extends object
    ? {
        readonly [K in keyof T]-?: {
          readonly of: Shape<Exclude<T[K], undefined>>;
          readonly mayBeMissing: object extends Pick<T, K> ? true : false;
        };
      }
    : T;

type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;

/**
 * Holds a schema to the type that it describes, in both directions and when it is compiled: neither can get a field that the
 * other does not have.
 */
export function schemaOf<T>() {
  return <S extends z.ZodType>(
    schema: S & (Same<Shape<z.output<S>>, Shape<T>> extends true ? unknown : never),
  ): z.ZodType<T> => schema as unknown as z.ZodType<T>;
}
