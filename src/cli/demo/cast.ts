/** Who writes to example.org on a small morning: the honest, the lists, and the bots. Their DNS stands in `zone.ts`. */
import type { Speaker } from './dialogue.ts';

export interface Sender {
  /** What it is, for the reader of the table. */
  readonly who: string;
  readonly address: string;
  /** The last octet of the first of them, where `address` ends in a dot: then each calls from an address of its own. */
  readonly first?: number;
  /** How many of its kind call during the morning. */
  readonly calls: number;
  /** Calls that go to the last MX, the honeypot, and not to the first. */
  readonly atHoneypot?: (n: number) => boolean;
  /** Plays one call; resolves when it is over. */
  readonly call: (speaker: Speaker, n: number) => Promise<void>;
}

interface Letter {
  readonly helo: string;
  readonly from: string;
  readonly to: readonly string[];
  readonly subject: string;
}

/** Nobody was ever given this address. */
export const TRAP = 'old.name@example.org';

/** It has no reverse name, so what is new from it has to come again; its first attempt was before the demonstration. */
export const OFFICE = {
  address: '203.0.113.60',
  domain: 'office.example',
  from: 'desk@office.example',
  to: 'bea@example.org',
} as const;

/** An honest client: waits for each reply, stops where it is refused. */
async function send(s: Speaker, letter: Letter): Promise<void> {
  const { helo, from, to, subject } = letter;
  if ((await s.hear()) !== 220) return;
  if ((await s.say(`EHLO ${helo}`)) === 250 && (await s.say(`MAIL FROM:<${from}>`)) === 250) {
    let taken = 0;
    for (const recipient of to) if ((await s.say(`RCPT TO:<${recipient}>`)) === 250) taken++;
    if (taken > 0 && (await s.say('DATA')) === 354) {
      await s.say(
        [
          `From: <${from}>`,
          `To: ${to.map((r) => `<${r}>`).join(', ')}`,
          `Subject: ${subject}`,
          `Date: Sat, 21 Nov 2026 08:00:00 +0000`,
          `Message-ID: <${Date.now()}.${Math.floor(Math.random() * 1e9)}@${helo}>`,
          '',
          'Good morning,',
          '.a line that begins with a dot arrives as it was written.',
          '.',
        ]
          .map((line, i, all) => (i < all.length - 1 && line.startsWith('.') ? `.${line}` : line))
          .join('\r\n'),
      );
    }
  }
  await s.say('QUIT');
}

export const CAST: readonly Sender[] = [
  {
    who: 'a neighbour’s mail server',
    address: '203.0.113.10',
    calls: 12,
    call: (s, n) =>
      send(s, {
        helo: 'mail.honest.example',
        from: 'ann@honest.example',
        to: ['bea@example.org'],
        subject: `Letter ${n}`,
      }),
  },
  {
    who: 'a university, two recipients',
    address: '203.0.113.20',
    calls: 8,
    call: (s, n) =>
      send(s, {
        helo: 'mx1.university.example',
        from: 'registrar@university.example',
        to: ['bea@example.org', 'carl@example.org'],
        subject: `Term ${n}`,
      }),
  },
  {
    who: 'a mailing-list server',
    address: '203.0.113.30',
    calls: 6,
    call: (s, n) =>
      send(s, {
        helo: 'lists.community.example',
        from: `gardeners-bounces+carl=example.org@lists.community.example`,
        to: ['carl@example.org'],
        subject: `[gardeners] ${n}`,
      }),
  },
  {
    who: 'a shop on a block list by mistake, to postmaster',
    address: '192.0.2.66',
    calls: 1,
    call: (s) =>
      send(s, {
        helo: 'mail.shop.example',
        from: 'it@shop.example',
        to: ['postmaster@example.org'],
        subject: 'Please let us in',
      }),
  },
  {
    who: 'bots on a block list',
    address: '192.0.2.',
    calls: 30,
    call: (s, n) =>
      send(s, {
        helo: `pc${n}.dialup.example`,
        from: `win${n}@prize.example`,
        to: ['bea@example.org'],
        subject: 'You won',
      }),
  },
  {
    who: 'bots that speak before the banner',
    address: '198.51.100.',
    calls: 10,
    async call(s, n) {
      s.pour(`EHLO early${n}.example\r\n`);
      await s.hear();
      await s.hear();
      if ((await s.say(`MAIL FROM:<hurry${n}@prize.example>`)) === 250)
        await s.say('RCPT TO:<bea@example.org>');
      await s.say('QUIT');
    },
  },
  {
    who: 'bots that pour out their mail unasked',
    address: '198.51.100.',
    first: 21,
    calls: 10,
    async call(s, n) {
      await s.hear();
      s.pour(
        `EHLO pipe${n}.example\r\nMAIL FROM:<p${n}@prize.example>\r\nRCPT TO:<carl@example.org>\r\nDATA\r\n`,
      );
      for (let i = 0; i < 4; i++) await s.hear();
      await s.say('QUIT');
    },
  },
  {
    who: 'a worm that greets with our own name',
    address: '198.51.100.77',
    calls: 6,
    call: (s) =>
      send(s, {
        helo: 'mx.example.org',
        from: 'admin@example.org',
        to: ['bea@example.org'],
        subject: 'Your account',
      }),
  },
  {
    who: 'a forger of a domain that does not exist',
    address: '203.0.113.40',
    calls: 6,
    call: (s, n) =>
      send(s, {
        helo: 'mail.forger.example',
        from: `ceo${n}@no-such-domain.example`,
        to: ['carl@example.org'],
        subject: 'Invoice',
      }),
  },
  {
    who: 'a forger of a domain that takes no mail',
    address: '203.0.113.41',
    calls: 4,
    call: (s) =>
      send(s, {
        helo: 'mail.forger.example',
        from: 'x@nullmx.example',
        to: ['carl@example.org'],
        subject: 'Invoice',
      }),
  },
  {
    who: 'a forger of the neighbour’s name',
    address: '203.0.113.42',
    calls: 5,
    call: (s, n) =>
      send(s, {
        helo: 'mail.forger3.example',
        from: 'ann@honest.example',
        to: ['bea@example.org'],
        subject: `Please pay ${n}`,
      }),
  },
  {
    who: 'a small office, back after three minutes',
    address: OFFICE.address,
    calls: 3,
    call: (s, n) =>
      send(s, { helo: 'mail.office.example', from: OFFICE.from, to: [OFFICE.to], subject: `Offer ${n}` }),
  },
  {
    who: 'a school, new here, back too soon',
    address: '203.0.113.61',
    calls: 2,
    call: (s) =>
      send(s, {
        helo: 'mail.school.example',
        from: 'head@school.example',
        to: ['bea@example.org'],
        subject: 'Parents’ evening',
      }),
  },
  {
    who: 'bots on dial-up lines, without a queue',
    address: '198.51.100.',
    first: 101,
    calls: 12,
    call: (s, n) =>
      send(s, {
        helo: `pool-198-51-100-${100 + n}.dialup.example`,
        from: `offer${n}@prize.example`,
        to: ['carl@example.org'],
        subject: 'Cheap',
      }),
  },
  {
    who: 'a harvester that found the trap',
    address: '203.0.113.80',
    calls: 6,
    call: (s, n) =>
      send(s, {
        helo: 'mail.harvester.example',
        from: 'news@harvester.example',
        to: [n === 1 ? TRAP : 'bea@example.org'],
        subject: 'Newsletter',
      }),
  },
  {
    who: 'a bot that tries the last MX first',
    // No neighbour of those who are deferred: it might be one of their servers, and would be no catch.
    address: '198.18.0.81',
    calls: 5,
    atHoneypot: (n) => n === 1,
    call: (s) =>
      send(s, {
        helo: 'mail.lastmx.example',
        from: 'sales@lastmx.example',
        to: ['carl@example.org'],
        subject: 'Offer',
      }),
  },
  {
    who: 'a guesser of mailboxes',
    address: '203.0.113.50',
    calls: 4,
    call: (s, n) =>
      send(s, {
        helo: 'mail.guesser.example',
        from: 'a@guesser.example',
        to: ['info', 'sales', 'admin', 'test', 'root', 'office', 'web'].map(
          (name) => `${name}${n}@example.org`,
        ),
        subject: 'Hello',
      }),
  },
  {
    who: 'a prober for open relays',
    address: '203.0.113.51',
    calls: 4,
    call: (s) =>
      send(s, {
        helo: 'mail.guesser.example',
        from: 'a@guesser.example',
        to: ['victim@elsewhere.example'],
        subject: 'x',
      }),
  },
];
