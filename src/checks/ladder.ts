import type { AnyCheck } from '../core/check.ts';
import { clientList } from './client-list.ts';
import { clientNameList } from './client-name-list.ts';
import { dnsbl } from './dnsbl.ts';
import { dnswl } from './dnswl.ts';
import { earlyTalker } from './early-talker.ts';
import { envelopeList } from './envelope-list.ts';
import { fcrdns } from './fcrdns.ts';
import { genericRdns } from './generic-rdns.ts';
import { heloDns } from './helo-dns.ts';
import { helo } from './helo.ts';
import { pipelining } from './pipelining.ts';
import { recipients } from './recipients.ts';
import { relay } from './relay.ts';
import { rhsbl } from './rhsbl.ts';
import { senderDomain } from './sender-domain.ts';
import { senderMx } from './sender-mx.ts';
import { spf } from './spf.ts';

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
  rhsbl,
  clientNameList,
  fcrdns,
  genericRdns,
  heloDns,
  senderDomain,
  senderMx,
  spf,
  // backend: part of the delivery, so nothing may refuse the recipient afterwards
  recipients,
];
