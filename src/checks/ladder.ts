import type { AnyCheck } from '../core/check.ts';
import { attachments } from './attachments.ts';
import { bounceTag } from './bounce-tag.ts';
import { callout } from './callout.ts';
import { classifier } from './classifier.ts';
import { clientList } from './client-list.ts';
import { clientNameList } from './client-name-list.ts';
import { dictionaryAttack } from './dictionary-attack.ts';
import { arc } from './arc.ts';
import { dkim } from './dkim.ts';
import { dmarc } from './dmarc.ts';
import { dnsbl } from './dnsbl.ts';
import { dnswl } from './dnswl.ts';
import { earlyTalker } from './early-talker.ts';
import { envelopeList } from './envelope-list.ts';
import { fcrdns } from './fcrdns.ts';
import { genericRdns } from './generic-rdns.ts';
import { greylistNull } from './greylist-null.ts';
import { greylist } from './greylist.ts';
import { heloDns } from './helo-dns.ts';
import { helo } from './helo.ts';
import { honeypot } from './honeypot.ts';
import { pipelining } from './pipelining.ts';
import { recipientList } from './recipient-list.ts';
import { recipients } from './recipients.ts';
import { relay } from './relay.ts';
import { rhsbl } from './rhsbl.ts';
import { senderDomain } from './sender-domain.ts';
import { senderMx } from './sender-mx.ts';
import { shortTermBlock } from './short-term-block.ts';
import { spamTrap } from './spam-trap.ts';
import { fakeBounce } from './fake-bounce.ts';
import { headerForm } from './header-form.ts';
import { namedRecipient } from './named-recipient.ts';
import { clamav } from './clamav.ts';
import { spamassassin } from './spamassassin.ts';
import { rspamd } from './rspamd.ts';
import { spf } from './spf.ts';

/** Every check there is, in the order of the ladder: rung by rung, and within a rung as the log should name them first. */
export const LADDER: readonly AnyCheck[] = [
  // memory: needs only what the client has said so far
  clientList,
  relay,
  honeypot,
  spamTrap,
  earlyTalker,
  pipelining,
  helo,
  envelopeList,
  bounceTag,
  // store: what is remembered
  shortTermBlock,
  dictionaryAttack,
  recipientList,
  // dns: one question each
  dnswl,
  dnsbl,
  // dns-chain: questions that lead to further ones
  rhsbl,
  clientNameList,
  fcrdns,
  genericRdns,
  heloDns,
  senderDomain,
  senderMx,
  spf,
  // doubt: what is cheap to ask, about those whom the rungs below cast doubt on
  greylist,
  greylistNull,
  // network: strangers' servers, and keys for the whole message
  callout,
  dkim,
  arc,
  dmarc,
  // backend: part of the delivery, so nothing may refuse the recipient afterwards
  recipients,
  // parse: what the message itself says
  fakeBounce,
  headerForm,
  namedRecipient,
  attachments,
  // scanner: what looks into the whole message, our own first
  classifier,
  clamav,
  spamassassin,
  rspamd,
];
