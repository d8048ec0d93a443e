/** A route with its schemas: what comes in is checked by them, what goes out has their types, and the OpenAPI document shows them. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { User } from './access.ts';
import { askedWords } from './asked-words.ts';
import { Refused } from './refused.ts';
import { problem } from './schemas.ts';

declare module 'fastify' {
  interface FastifyRequest {
    user: User | undefined;
  }
  interface FastifyContextConfig {
    /** Without a login. */
    open?: boolean;
  }
}

export interface RouteShape<P, Q, B, A> {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly url: string;
  readonly summary: string;
  readonly params?: z.ZodType<P>;
  readonly query?: z.ZodType<Q>;
  readonly body?: z.ZodType<B>;
  readonly answer: z.ZodType<A>;
  readonly isOpen?: true;
  readonly bodyLimit?: number;
}

export interface Call<P, Q, B> {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

/** Every answer of each route by its schema, for tests that hold real answers to them. */
export const ANSWERS = new Map<string, z.ZodType>();

export function route<A, P = undefined, Q = undefined, B = undefined>(
  app: FastifyInstance,
  shape: RouteShape<P, Q, B, A>,
  handle: (call: Call<P, Q, B>) => A | Promise<A>,
): void {
  const { method, url, summary, params, query, body, answer, isOpen, bodyLimit } = shape;
  ANSWERS.set(`${method} ${url}`, answer);
  app.route({
    method,
    url,
    config: { open: isOpen === true },
    ...(bodyLimit === undefined ? {} : { bodyLimit }),
    schema: {
      summary,
      ...(params === undefined ? {} : { params: jsonSchemaOf(params, 'input') }),
      ...(query === undefined ? {} : { querystring: jsonSchemaOf(query, 'input') }),
      ...(body === undefined ? {} : { body: jsonSchemaOf(body, 'input') }),
      response: { 200: jsonSchemaOf(answer, 'output'), '4xx': PROBLEM, '5xx': PROBLEM },
    },
    handler: async (request, reply) => {
      const call = {
        params: read(params, request.params),
        query: read(query, request.query),
        body: read(body, request.body),
        request,
        reply,
      } as Call<P, Q, B>;
      const answered = await handle(call);
      void reply.type('application/json; charset=utf-8');
      return reply.send(toJson(answered));
    },
  });
}

/** Of the request behind a route that is not open. */
export function userOf({ user }: FastifyRequest): User {
  if (user === undefined) throw new Refused(401, 'Nobody is logged in');
  return user;
}

/** What strangers wrote is in it: it holds nothing that a browser could take for a tag, whatever it took the answer for. */
export function toJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function read<T>(schema: z.ZodType<T> | undefined, given: unknown): T | undefined {
  if (schema === undefined) return undefined;
  const parsed = schema.safeParse(given ?? {}, { error: askedWords });
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const field = issue?.path.join('.') ?? '';
  const message = issue?.message ?? 'cannot be read';
  throw new Refused(400, field === '' ? message : `${field}: ${message}`, field === '' ? {} : { field });
}

function jsonSchemaOf(schema: z.ZodType, io: 'input' | 'output'): Record<string, unknown> {
  const { $schema, ...rest } = z.toJSONSchema(schema, { io, target: 'draft-7', unrepresentable: 'any' });
  return rest;
}

const PROBLEM = jsonSchemaOf(problem, 'output');
