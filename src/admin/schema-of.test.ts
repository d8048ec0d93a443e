import assert from 'node:assert/strict';
import { it } from 'node:test';
import { z } from 'zod';
import { schemaOf } from './schema-of.ts';

interface Line {
  readonly id: string;
  readonly tags: readonly string[];
  readonly mark?: 'wanted' | 'unwanted' | undefined;
}

it('takes the schema of the type and of no other: the compiler says so', () => {
  const id = z.string();
  const tags = z.array(z.string());
  const mark = z.enum(['wanted', 'unwanted']).optional();
  const schema = schemaOf<Line>()(z.object({ id, tags, mark }));
  assert.deepEqual(schema.parse({ id: 'A', tags: [] }), { id: 'A', tags: [] });
  // @ts-expect-error a field is missing
  schemaOf<Line>()(z.object({ id, tags }));
  // @ts-expect-error there is one too many
  schemaOf<Line>()(z.object({ id, tags, mark, more: id }));
  // @ts-expect-error one has another type
  schemaOf<Line>()(z.object({ id: z.number(), tags, mark }));
  // @ts-expect-error one knows fewer words
  schemaOf<Line>()(z.object({ id, tags, mark: z.enum(['wanted']).optional() }));
  // @ts-expect-error one may not be missing
  schemaOf<Line>()(z.object({ id: id.optional(), tags, mark }));
});
