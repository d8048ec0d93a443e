/**
 * Which reverse names are generic: given by a provider to all the addresses of a pool, not by an operator to a mail server.
 * Read from the top; the first rule that matches decides. The good patterns stand first, so they win: large providers put
 * digits and whole addresses into the names of real mail servers.
 *
 * A rule sees the labels of the host below its organizational domain (`dsl-7.pool` of `dsl-7.pool.provider.example`): what
 * somebody registered says nothing about the line (`mail.dsl.example` is at home at a firm called DSL). Names come from
 * strangers: every pattern runs in linear time over 253 octets, so none has a repetition without a bound.
 */
export interface RdnsRule {
  /** Stands in the log and the reply. */
  readonly name: string;
  readonly kind: 'good' | 'generic';
  /** Why, in a sentence. */
  readonly why: string;
  /** On the labels below the organizational domain, lower-case. Absent: the client's own address is looked for. */
  readonly pattern?: RegExp;
  /** Names, with the client's address where it matters (192.0.2.107 otherwise). */
  readonly matches: readonly Example[];
  readonly spares: readonly Example[];
}
export type Example = string | readonly [name: string, client: string];

/** With a number, or behind another part of the name: somebody may well call his only mail server by such a word. */
function lineWord(words: string): RegExp {
  return new RegExp(`(?:^|[.-])(?:${words})(?:[0-9]{1,6}(?:[.-]|$)|[.-][0-9])|[.-](?:${words})(?:[.-]|$)`);
}

export const RULES: readonly RdnsRule[] = [
  {
    name: 'mail-host',
    kind: 'good',
    why: 'The first label is what mail servers are called: mail, smtp, mx, mta, relay, out and such, with number or site behind it.',
    pattern:
      /^(?:e?mail|smtp|mx|mta|mailer|mailout|mailrelay|mailgw|mailhost|mailserver|outmail|outbound|smtpout|relay|postfix|exim|zimbra|exchange|imap|lists?|newsletter|bounces?)(?:out|in|gw)?[0-9]{0,4}[a-z]?(?:[.-]|$)/,
    matches: [
      'mail.example.net',
      'mx1.example.net',
      'smtp-out3.example.net',
      'mta-70-2-0-192.sender.example',
      'mail-oln040092004108.outbound.protection.example',
      ['mail-192-0-2-107.provider.example', '192.0.2.107'],
      'relay02.dc1.example.net',
    ],
    spares: ['gmail-dsl.pool.example', 'mailbox.example.net', 'mx12345.example.net', 'dsl-mail.example.net'],
  },
  {
    name: 'mail-tier',
    kind: 'good',
    why: 'A label further on says that all below it is outgoing mail.',
    pattern:
      /\.(?:outbound|outbound-mail|smtp|smtp-out|mailout|mta|mail|mail-[a-z]{1,20}|email|mx|out|outmail|sendmail|bounce|mailgun|emailservice)[0-9]{0,3}(?:\.|$)/,
    matches: [
      'o1.email.shop.example',
      'a8-31.smtp-out.cloud.example',
      'oln040092004108.outbound.protection.example',
      ['192-0-2-107.mta.news.example', '192.0.2.107'],
      ['192-0-2-107.mail-mail.portal.example', '192.0.2.107'],
      ['192-0-2-107.mail-campmail.portal.example', '192.0.2.107'],
      'xyz-1.outbound-mail.sender.example',
    ],
    spares: ['7.mail-2-you.example.net', 'host-1.dyn.example.net', 'o1.emails.dsl.example', 'smtp.example'],
  },
  {
    name: 'sending-service',
    kind: 'good',
    why: 'Sending services number their hosts: o1, m107, a8-31, each below a label of the customer.',
    pattern:
      /^(?:o|m|em|e|s|sg|mg|mt|pm|mail)[0-9]{1,5}\.(?:ptr[0-9]{0,5}|sg|mg|mailer|news|sender|e|em|sp)[0-9]{0,5}(?:\.|$)/,
    matches: ['o1.ptr2345.customer.example', 'm107.mg.shop.example', 'em12.news.shop.example'],
    spares: ['o1.dsl.example.net', 'm107.pool.example.net'],
  },
  {
    name: 'address',
    kind: 'generic',
    why: "The name carries the client's own address, in decimal or hexadecimal, forwards or backwards, whole or all but the first octet.",
    matches: [
      ['192-0-2-107.provider.example.net', '192.0.2.107'],
      ['host107.2.0.192.provider.example.net', '192.0.2.107'],
      ['h-107_2_0_192.a.example.net', '192.0.2.107'],
      ['ip192000002107.example.net', '192.0.2.107'],
      ['c000026b.example.net', '192.0.2.107'],
      ['c0-00-02-6b.x.example.net', '192.0.2.107'],
      ['x-203-0-113-9.example.net', '203.0.113.9'],
      ['p3221226091.example.net', '192.0.2.107'],
      ['cpe-0-2-107.city.example.net', '192.0.2.107'],
      ['cpe-107-2-0.city.example.net', '192.0.2.107'],
      ['2001-db8-0-0-0-0-0-7.v6.example.net', '2001:db8::7'],
      ['20010db8000000000000000000000007.example.net', '2001:db8::7'],
      ['7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.example.net', '2001:db8::7'],
    ],
    spares: [
      ['web107.example.net', '192.0.2.107'],
      ['server-2-107.example.net', '192.0.2.107'],
      ['192-0-2-108.provider.example.net', '192.0.2.107'],
      ['mars.example.net', '192.0.2.107'],
      ['host.c0000202.example', '192.0.2.2'],
      ['a1-2-3-41.example.net', '1.2.3.4'],
      ['v7.example.net', '2001:db8::7'],
    ],
  },
  {
    name: 'dynamic',
    kind: 'generic',
    why: 'The provider says that the address changes hands.',
    pattern:
      /(?:^|[.-])(?:dyn|dynamic|dynamicip|dynip|dynamisch|dhcp|dialup|dialin|dial|ppp|pppoe|pptp|slip)[0-9]{0,4}(?:[.-]|$)/,
    matches: [
      'dyn-7.example.net',
      'x7.dynamic.example.net',
      'dhcp12.campus.example.net',
      'abc-dialup.example.net',
      'ppp7.example.net',
      'a.b-pppoe.example.net',
    ],
    spares: ['dynamo.example.net', 'web.static.example.net', 'pppp.example.net', 'sundial.example.net'],
  },
  {
    name: 'access-line',
    kind: 'generic',
    why: 'The provider says by what technique a home or an office is connected; the word alone may be the name of a server.',
    pattern: lineWord(
      'adsl|sdsl|vdsl|xdsl|dsl|cable|cablemodem|catv|hfc|cpe|docsis|ftth|fttx|fttb|gpon|wimax|umts|lte|gprs|broadband|residential',
    ),
    matches: [
      'dsl-7.example.net',
      'x.adsl.example.net',
      'cable-3-4.example.net',
      'a1.ftth.example.net',
      'dsl2233.city.example.net',
    ],
    spares: [
      'cable.firm.example',
      'dsl.office.firm.example',
      'cablecar.example.net',
      'dslam-news.example.net',
      'lteam.example.net',
      'mail.dsl.example',
    ],
  },
  {
    name: 'subscriber',
    kind: 'generic',
    why: 'A word for whoever rents the line, with a number or as a level that others stand below; alone it may be the name of a server.',
    pattern:
      /(?:^|[.-])(?:home|customer|cust|clients?|subscriber|subs|user|users|mobile|modem|fiber|fibre|wifi|wlan)[.-]?[0-9]|\.(?:home|customer|cust|clients?|subscriber|subs|user|users|mobile|modem|fiber|fibre|wifi|wlan)(?:\.|$)/,
    matches: [
      'cust12.example.net',
      '7.mobile.example.net',
      'x.customer.example.net',
      'user-3.example.net',
      'a.clients.example.net',
    ],
    spares: [
      'home.smith.example',
      'mobile.firm.example',
      'fiber.firm.example',
      'user.office.firm.example',
      'my-home.smith.example',
      'homepage.example.net',
      'customer-portal.example.net',
      'clients-news.example.net',
      'userland.example.net',
    ],
  },
  {
    name: 'pool',
    kind: 'generic',
    why: 'The provider says that the address is one of a pool or a range; the word alone may be the name of a server.',
    pattern: lineWord(
      'pool|pools|ippool|range|unassigned|unallocated|unused|reserved|ipconnect|nat|cgnat|cgn',
    ),
    matches: [
      'pool-3.example.net',
      'x.pools.example.net',
      '7.unassigned.example.net',
      'a.cgnat.example.net',
      'nat12.example.net',
    ],
    spares: [
      'nat.firm.example',
      'pool.firm.example',
      'nat-gw.firm.example',
      'liverpool.example.net',
      'national.example.net',
      'orange.example.net',
      'poolside.example.net',
    ],
  },
  {
    name: 'numbered-host',
    kind: 'generic',
    why: 'The first label is a word for any host and two numbers or more.',
    pattern: /^(?:host|ip|static|addr|unknown|vps|h|p)[.-]?[0-9]{1,3}[.-][0-9]{1,3}(?:[.-]|$)/,
    matches: [
      'host-3-4.example.net',
      'ip-10-0-0-9.cloud.example.net',
      'h3.44.example.net',
      'static.12.7.example.net',
    ],
    spares: ['host3.example.net', 'node-7.example.net', 'vps-20261.example.net', 'web-3-4.example.net'],
  },
];
