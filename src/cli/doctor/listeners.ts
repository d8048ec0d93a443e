/** Whether each listener answers in its protocol: a banner, the options of a milter, a policy request that is about no mail. */
import type { Socket } from 'node:net';
import type { NetworkSet } from '../../mail/networks.ts';
import { SMFIC_OPTNEG } from '../../wire/milter/codes.ts';
import { frame, FrameReader } from '../../wire/milter/frame.ts';
import { readOffer } from '../../wire/milter/negotiation.ts';
import { converse, type Heard } from './conversation.ts';
import type { Place } from './place.ts';
import { quoted, type Telling } from './told.ts';

const TIMEOUT_MS = 5000;

export interface GatewayToAsk {
  readonly tls: 'none' | 'starttls' | 'implicit';
  readonly proxyProtocolFrom: Pick<NetworkSet, 'has'>;
  readonly greetPauseMs: number;
}

export async function askGateway(
  place: Place,
  gateway: GatewayToAsk,
  tell: Telling,
  timeoutMs = TIMEOUT_MS,
): Promise<void> {
  const heard = await converse(place, {
    prologue: ({ remoteAddress, localAddress }: Socket) =>
      gateway.proxyProtocolFrom.has(localAddress ?? remoteAddress ?? '') ? 'PROXY UNKNOWN\r\n' : '',
    ...(gateway.tls === 'implicit' ? { tls: true as const } : {}),
    isWhole: (bytes) => /^\d{3}(?: .*)?\r\n/m.test(bytes.toString('latin1')),
    last: 'QUIT\r\n',
    timeoutMs: gateway.greetPauseMs + timeoutMs,
  });
  if (heard.kind !== 'heard') {
    tellSilence(heard, place, 'an SMTP banner', tell);
    return;
  }
  const banner = heard.bytes.toString('latin1').trim();
  if (banner.startsWith('220')) tell('well', 'answers', `Answers: ${quoted(banner)}.`);
  else if (/^[45]\d\d/.test(banner))
    tell(
      'note',
      'turns-away',
      `Answers, but turns away: ${quoted(banner)}.`,
      'postern stats tells whom it turns away, and why',
    );
  else tellStranger(heard.bytes, 'an SMTP banner', tell);
}

// All that an MTA can: what comes back is what we want of it.
const ALL_ACTIONS = 0x1ff;
const ALL_PROTOCOL = 0x1f_ffff;
const MAX_FRAME_OCTETS = 8192;

export async function askMilter(place: Place, tell: Telling, timeoutMs = TIMEOUT_MS): Promise<void> {
  const optionsIn = (bytes: Buffer) => {
    const reader = new FrameReader();
    reader.add(bytes);
    return reader.take(MAX_FRAME_OCTETS);
  };
  const heard = await converse(place, {
    first: () => frame(SMFIC_OPTNEG, 6, ALL_ACTIONS, ALL_PROTOCOL),
    isWhole: (bytes) => optionsIn(bytes).kind !== 'incomplete',
    last: frame('Q'),
    timeoutMs,
  });
  if (heard.kind !== 'heard') {
    tellSilence(heard, place, "a milter's options", tell);
    return;
  }
  const taken = optionsIn(heard.bytes);
  const offer =
    taken.kind === 'frame' && taken.command === SMFIC_OPTNEG ? readOffer(taken.payload) : 'malformed';
  if (typeof offer === 'string') tellStranger(heard.bytes, "a milter's options", tell);
  else tell('well', 'answers', `Answers: milter protocol version ${offer.version}.`);
}

export async function askPolicy(place: Place, tell: Telling, timeoutMs = TIMEOUT_MS): Promise<void> {
  const heard = await converse(place, {
    // About no mail: whatever the policy is, nothing is to be said against it.
    first: () => 'request=smtpd_access_policy\nprotocol_state=VRFY\n\n',
    isWhole: (bytes) => bytes.includes('\n\n'),
    timeoutMs,
  });
  if (heard.kind !== 'heard') {
    tellSilence(heard, place, 'an answer to a policy request', tell);
    return;
  }
  const answer = heard.bytes.toString('latin1').trim();
  if (answer === 'action=DUNNO') tell('well', 'answers', 'Answers a policy request.');
  else tellStranger(heard.bytes, 'the answer of a policy service', tell);
}

function tellStranger(bytes: Buffer, what: string, tell: Telling): void {
  tell(
    'wrong',
    'stranger',
    `Something answers there, but not with ${what}: ${quoted(bytes.toString('latin1'))}.`,
    'another program has this address: ss -ltnxp names it',
  );
}

const START = 'start the gate (systemctl start postern); its log says why if it does not';

function tellSilence(
  heard: Exclude<Heard, { kind: 'heard' }>,
  place: Place,
  what: string,
  tell: Telling,
): void {
  switch (heard.kind) {
    case 'unreachable':
      tellUnreachable(heard, place, tell);
      return;
    case 'ended':
    case 'silent': {
      const so =
        heard.bytes.length === 0 ? 'without a word' : `after ${quoted(heard.bytes.toString('latin1'))}`;
      if (heard.kind === 'ended')
        tell(
          'wrong',
          'ended',
          `Ends the connection ${so}, where ${what} was expected.`,
          'its log says why: journalctl -u postern',
        );
      else
        tell(
          'wrong',
          'silent',
          `Takes the connection, but ${what} does not come.`,
          'restart the gate (systemctl restart postern), and read its log',
        );
      return;
    }
    default:
      heard satisfies never;
  }
}

function tellUnreachable(
  { code, reason }: { readonly code: string; readonly reason: string },
  place: Place,
  tell: Telling,
): void {
  if (code === 'EACCES' || code === 'EPERM')
    tell(
      'note',
      'may-not-ask',
      'Whether it answers cannot be told: this user may not use the socket.',
      'call it as root',
    );
  else if (code === 'ENOENT')
    tell('wrong', 'no-socket', 'There is no socket: the gate does not run, or not with this file.', START);
  else if (code === 'ECONNREFUSED')
    tell(
      'wrong',
      'nobody-listens',
      `Nobody listens ${'path' in place ? 'on the socket' : 'there'}: the gate does not run, or not with this file.`,
      START,
    );
  else tell('wrong', 'unreachable', `Cannot be reached: ${reason}.`, START);
}
