import type { AnyCheck } from '../core/check.ts';
import { clientList } from './client-list.ts';
import { clientNameList } from './client-name-list.ts';
import { dnsbl } from './dnsbl.ts';
import { dnswl } from './dnswl.ts';
import { earlyTalker } from './early-talker.ts';
import { envelopeList } from './envelope-list.ts';
import { fcrdns } from './fcrdns.ts';
import { heloDns } from './helo-dns.ts';
import { helo } from './helo.ts';
import { pipelining } from './pipelining.ts';
import { recipients } from './recipients.ts';
import { relay } from './relay.ts';
import { senderDomain } from './sender-domain.ts';

/** Every check there is, in the order of the ladder: rung by rung, and within a rung as the log should name them first. */
export const LADDER: readonly AnyCheck[] = [
  // memory: needs only what the client has said so far
  clientList,
  relay,
  earlyTalker,
  pipelining,
  helo,
  envelopeList,
  // dns
  dnswl,
  dnsbl,
  clientNameList,
  fcrdns,
  heloDns,
  senderDomain,
  // backend: part of the delivery, so nothing may refuse the recipient afterwards
  recipients,
];
