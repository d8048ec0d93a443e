/** Senders that keep score: what each message's final reply was, or that there was none. */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectSmtp, dotStuffed, type SmtpPeer } from '../smtp.ts';

export interface Sent {
  /** Stands in the message, so that it is found again. */
  readonly token: string;
  readonly message: string;
  /** `lost`: the connection went before the final reply. `not-sent`: refused or lost before its first byte. */
  readonly outcome: 'accepted' | 'refused' | 'deferred' | 'lost' | 'not-sent';
  readonly said: string;
}

/** A small repeatable generator: a failing run is told by its seed. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export interface Scoreboard {
  readonly sent: Sent[];
  /** Ends the senders after their current message. */
  stop(): Promise<void>;
}

/** `senders` connections at a time, each with up to five messages, over and over until stopped. */
export function startSenders(
  at: { readonly port: () => number },
  options: { readonly senders: number; readonly random: () => number; readonly maxOctets: number },
): Scoreboard {
  const sent: Sent[] = [];
  let stopped = false;
  const work = Array.from({ length: options.senders }, async (_, n) => {
    while (!stopped) {
      const peer = await connectSmtp({
        port: at.port(),
        localAddress: `127.50.0.${n + 1}`,
        timeoutMs: 15_000,
      }).catch(() => undefined);
      if (peer === undefined) {
        await sleep(20);
        continue;
      }
      await conversation(peer, options, sent, () => stopped);
      peer.close();
    }
  });
  return {
    sent,
    stop: async () => {
      stopped = true;
      await Promise.all(work);
    },
  };
}

async function conversation(
  peer: SmtpPeer,
  options: { readonly random: () => number; readonly maxOctets: number },
  sent: Sent[],
  stopped: () => boolean,
): Promise<void> {
  try {
    if ((await peer.reply()).code !== 220) return;
    if ((await peer.say('EHLO client.example.net')).code !== 250) return;
    const messages = 1 + Math.floor(options.random() * 5);
    for (let i = 0; i < messages && !stopped(); i++) {
      const result = await oneMessage(peer, options);
      sent.push(result);
      if (result.outcome === 'lost' || result.said.startsWith('421')) return;
      if (result.outcome === 'not-sent' && (await peer.say('RSET')).code !== 250) return;
    }
    await peer.say('QUIT');
  } catch {
    // The connection is gone between messages: no score hangs on it.
  }
}

async function oneMessage(
  peer: SmtpPeer,
  { random, maxOctets }: { readonly random: () => number; readonly maxOctets: number },
): Promise<Sent> {
  const token = randomBytes(9).toString('hex');
  const kind = random();
  const mark = kind < 0.1 ? 'X-Refuse: yes\r\n' : kind < 0.2 ? 'X-Defer: yes\r\n' : '';
  const to = kind > 0.95 ? 'nobody@example.org' : kind > 0.9 ? 'someone@example.com' : 'user@example.org';
  const message = messageOf(token, mark, Math.floor(random() ** 3 * maxOctets), random);
  const score = (outcome: Sent['outcome'], said: string): Sent => ({ token, message, outcome, said });
  let begun = false;
  try {
    for (const line of ['MAIL FROM:<sender@example.net>', `RCPT TO:<${to}>`]) {
      const heard = await peer.say(line);
      // A refusal at RCPT is for good as well: nothing of it may arrive.
      if (heard.code !== 250) return score('not-sent', heard.lines.join());
    }
    const heard = await peer.say('DATA');
    if (heard.code !== 354) return score('not-sent', heard.lines.join());
    begun = true;
    const bytes = dotStuffed(message);
    const half = Math.floor(bytes.length * random());
    await peer.write(bytes.subarray(0, half));
    if (random() < 0.3) await sleep(Math.floor(random() * 15));
    await peer.write(bytes.subarray(half));
    await peer.write('.\r\n');
    const final = await peer.reply();
    const outcome = final.code < 300 ? 'accepted' : final.code < 500 ? 'deferred' : 'refused';
    return score(outcome, final.lines.join());
  } catch (error) {
    return score(begun ? 'lost' : 'not-sent', String(error));
  }
}

function messageOf(token: string, mark: string, octets: number, random: () => number): string {
  const lines = [`From: <sender@example.net>`, 'To: <user@example.org>', `Subject: ${token}`];
  let text = `${lines.join('\r\n')}\r\n${mark}\r\n`;
  while (text.length < octets) {
    // Lines that begin with dots, empty ones, 8-bit octets: what a careless hop would change.
    const pick = random();
    const line =
      pick < 0.1
        ? '.'
        : pick < 0.2
          ? '..dots'
          : pick < 0.3
            ? ''
            : pick < 0.4
              ? 'caf\xe9'
              : 'x'.repeat(Math.floor(random() * 900));
    text += `${line}\r\n`;
  }
  return `${text}end of ${token}\r\n`;
}
