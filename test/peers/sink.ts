/** Postfix's smtp-sink: an SMTP server that takes everything and keeps nothing. */
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../freeport.ts';
import { startProgram } from '../program.ts';
import { connectSmtp } from '../smtp.ts';
import { need } from './peer.ts';

/** Its port; undefined when the test was skipped. */
export async function startSink(
  t: TestContext,
  options: readonly string[] = [],
): Promise<number | undefined> {
  const sink = need(t, 'smtp-sink');
  if (sink === undefined) return undefined;
  const port = await freePort();
  // As root it wants to be told whom to become.
  const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
  startProgram(t, sink, [...user, ...options, `127.0.0.1:${port}`, '1024']);
  for (let tries = 0; ; tries++) {
    try {
      const peer = await connectSmtp({ port });
      await peer.reply();
      peer.close();
      return port;
    } catch (error) {
      if (tries === 100) throw error;
      await sleep(20);
    }
  }
}
