/** An SMTP or LMTP backend of ours over loopback before a scripted server, and what tests say of it. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openBackend } from '../src/adapters/backends/open.ts';
import type { SmtpBackendSettings } from '../src/adapters/backends/smtp.ts';
import {
  isFailure,
  type Backend,
  type Delivery,
  type Envelope,
  type MessageContent,
} from '../src/core/delivery.ts';
import type { BackendAnswer } from '../src/core/ports.ts';
import { ScriptedBackend, type Script } from './fakes/scripted-backend.ts';

export const NEVER = new AbortController().signal;
export const ENVELOPE: Envelope = {
  reversePath: { local: 'a', domain: 'example.net' },
  parameters: {},
  client: { address: '192.0.2.7', port: 4711, heloName: 'mail.example.net', heloVerb: 'EHLO' },
};
export const BOB = { local: 'bob', domain: 'example.org' };

export function message(...chunks: string[]): MessageContent {
  const buffers = chunks.map((chunk) => Buffer.from(chunk, 'latin1'));
  return { sizeOctets: buffers.reduce((sum, b) => sum + b.length, 0), chunks: () => buffers };
}

export async function startBackend(
  t: TestContext,
  script: Script = {},
  settings: Partial<SmtpBackendSettings> = {},
  kind: 'smtp' | 'lmtp' = 'smtp',
) {
  const server = await ScriptedBackend.start(script);
  const backend = openBackend(
    { kind, host: '127.0.0.1', port: server.port },
    { hostName: 'mx.example.org', ...settings },
  );
  t.after(async () => {
    await backend.close();
    await server.stop();
  });
  return { server, backend };
}

export async function begin(backend: Backend, envelope = ENVELOPE): Promise<Delivery> {
  const begun = await backend.begin(envelope, NEVER);
  if (isFailure(begun)) assert.fail(JSON.stringify(begun));
  return begun;
}

/** The whole transaction, up to the first answer that is no yes. */
export async function deliver(
  backend: Backend,
  content = message('Subject: x\r\n\r\nhi\r\n'),
  signal = NEVER,
): Promise<BackendAnswer> {
  const begun = await backend.begin(ENVELOPE, signal);
  if (isFailure(begun)) return begun;
  const rcpt = await begun.rcpt(BOB, {}, signal);
  if (rcpt.kind === 'replied' && rcpt.reply.code < 300) return begun.send(content, signal);
  begun.abort();
  return rcpt;
}

export function said(answer: BackendAnswer): string {
  return answer.kind === 'unreachable'
    ? `unreachable: ${answer.reason}`
    : `${answer.reply.code} ${answer.reply.enhanced} ${answer.reply.lines.join('|')}`;
}

export async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !condition(); i++) await sleep(10);
  assert.ok(condition(), 'never came true');
}
