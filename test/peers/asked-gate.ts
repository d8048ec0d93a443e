/** A gate that an MTA asks, and the clients of that MTA: what the tests of all MTAs have in common. */
import assert from 'node:assert/strict';
import { startDns } from '../dns.ts';
import { startGate, type Gate, type GateSettings } from '../gate.ts';
import type { Cleanup } from '../program.ts';
import { connectSmtp, sendMail, type Heard, type SmtpPeer } from '../smtp.ts';

/** A header without a Date, and a body. */
export const UNDATED = 'From: a@example.net\r\nSubject: hello\r\n\r\nHello\r\n';
const DATE = `Date: ${new Date().toUTCString().replace('GMT', '+0000')}\r\n`;
export const MAIL = { from: 'a@example.net', to: 'user@example.org', message: `${DATE}${UNDATED}` };
export type Mail = Partial<typeof MAIL & { readonly helo: string }>;

export interface AskedGate {
  readonly gate: Gate;
  /** The gate at the same place again. */
  restart(): Promise<Gate>;
}

export async function startAskedGate(
  cleanup: Cleanup,
  settings: Omit<GateSettings, 'dns'> & { readonly listen: string },
): Promise<AskedGate> {
  const dns = await startDns(cleanup);
  const restart = () => startGate(cleanup, { dns, ...settings });
  return { gate: await restart(), restart };
}

export interface Sent extends Awaited<ReturnType<typeof sendMail>> {
  /** The lines of the last reply. */
  readonly text: string;
}

export interface Clients {
  connect(localAddress?: string): Promise<SmtpPeer>;
  /** `MAIL`, but for what is given. */
  send(mail?: Mail, localAddress?: string): Promise<Sent>;
  /** A client that has said DATA, and nothing of its message. */
  inMessage(envelope?: { readonly from?: string; readonly to?: readonly string[] }): Promise<SmtpPeer>;
}

export function clientsOf(cleanup: Cleanup, port: number): Clients {
  const connect = (localAddress = '127.0.0.1') => connectSmtp({ port, localAddress }, cleanup);
  return {
    connect,
    send: async (mail, localAddress) => {
      const peer = await connect(localAddress);
      const sent = await sendMail(peer, { ...MAIL, ...mail });
      peer.close();
      return { ...sent, text: sent.heard.lines.join() };
    },
    inMessage: async ({ from = MAIL.from, to = [MAIL.to] } = {}) => {
      const peer = await connect();
      await peer.reply();
      await peer.say('EHLO client.example.net');
      await peer.say(`MAIL FROM:<${from}>`);
      for (const recipient of to) await peer.say(`RCPT TO:<${recipient}>`);
      await peer.say('DATA');
      return peer;
    },
  };
}

/**
 * With the gate gone a client hears `code`, with the gate back the next is served; only what the gate has seen is marked. Gives what
 * the first one heard.
 */
export async function goneAndBack(
  at: AskedGate & Clients,
  code: number,
  delivered: (count: number) => Promise<readonly (string | Buffer)[]>,
): Promise<Sent> {
  await at.gate.kill();
  const gone = await at.send();
  assert.equal(gone.heard.code, code, gone.text);
  await servesAgain(at);
  const due = code === 250 ? 2 : 1;
  const messages = await delivered(due);
  assert.equal(messages.length, due);
  assert.equal(idsIn(messages).length, 1);
  return gone;
}

/** What a client hears at the end of a message in whose midst the gate is killed. */
export async function killedInMessage(at: AskedGate & Clients): Promise<Heard> {
  const peer = await at.inMessage();
  await peer.write(MAIL.message);
  await at.gate.kill();
  return peer.say('.');
}

export async function servesAgain(at: AskedGate & Clients): Promise<void> {
  await at.restart();
  const { step, heard, text } = await at.send();
  assert.deepEqual([step, heard.code], ['message', 250], text);
}

export interface Transaction {
  readonly from: string;
  readonly to: string;
  readonly end: 'message' | 'RSET';
}

/** The codes of the replies to each transaction, all of them on one connection. */
export async function codesOf(
  at: Clients,
  transactions: readonly Transaction[],
): Promise<readonly (readonly number[])[]> {
  const peer = await at.connect();
  await peer.reply();
  await peer.say('EHLO client.example.net');
  const codes: number[][] = [];
  for (const { from, to, end } of transactions) {
    const heard = [await peer.say(`MAIL FROM:<${from}>`), await peer.say(`RCPT TO:<${to}>`)];
    if (end === 'RSET') heard.push(await peer.say('RSET'));
    else heard.push(await peer.say('DATA'), await peer.say(`${MAIL.message}.`));
    codes.push(heard.map(({ code }) => code));
  }
  return codes;
}

/** Of each message that the gate has marked. */
export const idsIn = (messages: readonly (string | Buffer)[]): readonly string[] =>
  messages.flatMap((message) => /^X-Postern: id=(\w+)/m.exec(message.toString())?.[1] ?? []);
