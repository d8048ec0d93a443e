/**
 * A DNS server that answers every question in one hostile shape, over UDP and TCP on one loopback port; and the shapes.
 * Messages are put together octet by octet: no encoder makes such things.
 */
import { createSocket, type RemoteInfo } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';

export interface Question {
  readonly id: number;
  /** Name, type and class as they came. */
  readonly octets: Buffer;
  readonly name: Buffer;
  readonly type: number;
  readonly over: 'udp' | 'tcp';
}

/**
 * What the shape comes to for whoever asks. `trouble`: no answer at all, so nobody may be refused for it; `answer`: one that
 * may be held against a sender, such as "no such name".
 */
export type Meaning = 'trouble' | 'answer';

export interface Shape {
  readonly name: string;
  readonly means: Meaning;
  /** No message: silence. */
  readonly answer: (question: Question) => readonly Buffer[];
  /** The answers come from another port. */
  readonly elsewhere?: true;
}

export interface HostileServer {
  readonly port: number;
  readonly asked: () => number;
  readonly stop: () => Promise<void>;
}

/** `text`: TXT records that are answered as they should be, by name, so that what they lead to is asked for. */
export async function startHostile(shape: Shape, text: ReadonlyMap<string, string>): Promise<HostileServer> {
  let asked = 0;
  const clients = new Set<Socket>();
  const answersTo = (message: Buffer, over: 'udp' | 'tcp'): readonly Buffer[] => {
    const question = readQuestion(message, over);
    if (question === undefined) return [];
    const fair = question.type === TYPES.TXT ? text.get(textOf(question.name)) : undefined;
    if (fair !== undefined) return [reply(question, { answers: [record(TYPES.TXT, strings(fair))] })];
    asked++;
    return shape.answer(question);
  };
  const tcp = createServer((socket) => {
    clients.add(socket);
    socket.on('close', () => clients.delete(socket));
    socket.on('error', () => socket.destroy());
    let held = Buffer.alloc(0);
    socket.on('data', (bytes: Buffer) => {
      held = Buffer.concat([held, bytes]);
      while (held.length >= 2 && held.length >= 2 + held.readUInt16BE(0)) {
        const end = 2 + held.readUInt16BE(0);
        for (const message of answersTo(held.subarray(2, end), 'tcp')) {
          const length = Buffer.alloc(2);
          length.writeUInt16BE(message.length);
          if (socket.writable) socket.write(Buffer.concat([length, message]));
        }
        held = held.subarray(end);
      }
    });
  });
  for (;;) {
    tcp.listen(0, '127.0.0.1');
    await once(tcp, 'listening');
    const { port } = tcp.address() as { port: number };
    const udp = createSocket('udp4');
    const other = createSocket('udp4');
    const onDatagram = (message: Buffer, from: RemoteInfo) => {
      for (const answer of answersTo(message, 'udp'))
        (shape.elsewhere === true ? other : udp).send(answer, from.port, from.address);
    };
    udp.on('message', onDatagram);
    // The ports of questions that have ended answer by ICMP.
    udp.on('error', () => undefined);
    other.on('error', () => undefined);
    try {
      udp.bind(port, '127.0.0.1');
      await once(udp, 'listening');
    } catch {
      udp.close();
      await new Promise((resolve) => tcp.close(resolve));
      continue;
    }
    const stop = async () => {
      for (const client of clients) client.destroy();
      udp.close();
      other.close();
      await new Promise((resolve) => tcp.close(resolve));
    };
    return { port, asked: () => asked, stop };
  }
}

const TYPES = { A: 1, NS: 2, CNAME: 5, PTR: 12, MX: 15, TXT: 16, AAAA: 28 } as const;
const ASKED: Buffer = Buffer.of(0xc0, 12);

function readQuestion(message: Buffer, over: 'udp' | 'tcp'): Question | undefined {
  let at = 12;
  while (at < message.length && message[at] !== 0) at += 1 + (message[at] ?? 0);
  if (at + 5 > message.length) return undefined;
  return {
    id: message.readUInt16BE(0),
    octets: message.subarray(12, at + 5),
    name: message.subarray(12, at + 1),
    type: message.readUInt16BE(at + 1),
    over,
  };
}

function textOf(name: Buffer): string {
  const labels: string[] = [];
  for (let at = 0; name[at] !== 0; at += 1 + (name[at] ?? 0))
    labels.push(name.toString('latin1', at + 1, at + 1 + (name[at] ?? 0)));
  return labels.join('.').toLowerCase();
}

interface Parts {
  readonly id?: number;
  readonly flags?: number;
  readonly question?: Buffer;
  readonly questions?: number;
  readonly answers?: readonly Buffer[];
  readonly count?: number;
  readonly after?: Buffer;
}

function reply(q: Question, parts: Parts): Buffer {
  const { answers = [] } = parts;
  const header = Buffer.alloc(12);
  header.writeUInt16BE(parts.id ?? q.id, 0);
  header.writeUInt16BE(parts.flags ?? 0x8180, 2);
  header.writeUInt16BE(parts.questions ?? 1, 4);
  header.writeUInt16BE(parts.count ?? answers.length, 6);
  return Buffer.concat([header, parts.question ?? q.octets, ...answers, parts.after ?? Buffer.alloc(0)]);
}

interface RecordFields {
  readonly owner?: Buffer;
  readonly ttl?: number;
  readonly of?: number;
  readonly length?: number;
}

function record(
  type: number,
  rdata: Buffer,
  { owner = ASKED, ttl = 300, of = 1, length = rdata.length }: RecordFields = {},
): Buffer {
  const fields = Buffer.alloc(10);
  fields.writeUInt16BE(type, 0);
  fields.writeUInt16BE(of, 2);
  fields.writeUInt32BE(ttl >>> 0, 4);
  fields.writeUInt16BE(length, 8);
  return Buffer.concat([owner, fields, rdata]);
}

/** Labels of any octets. */
function name(...labels: (string | Buffer)[]): Buffer {
  const octets = labels.map((label) => (typeof label === 'string' ? Buffer.from(label, 'latin1') : label));
  return Buffer.concat([...octets.flatMap((label) => [Buffer.of(label.length), label]), Buffer.of(0)]);
}

function strings(text: string): Buffer {
  const octets = Buffer.from(text, 'latin1');
  const parts: Buffer[] = [];
  for (let at = 0; at < octets.length; at += 255) {
    const part = octets.subarray(at, at + 255);
    parts.push(Buffer.of(part.length), part);
  }
  return Buffer.concat(parts);
}

const mx = (priority: number, host: Buffer) =>
  Buffer.concat([Buffer.of(priority >> 8, priority & 255), host]);

/** A record of the type asked for, as it should be; `host` where it names one. */
function proper(type: number, i = 0, host = name(`h${i}`, 'hostile', 'example')): Buffer {
  switch (type) {
    case TYPES.A:
      return Buffer.of(127, 0, i >> 8, 2 + (i % 250));
    case TYPES.AAAA:
      return Buffer.of(0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, i >> 8, i & 255);
    case TYPES.TXT:
      return strings(`v=spf1 -all ${i}`);
    case TYPES.MX:
      return mx(i, host);
    default:
      return host;
  }
}

/** What does not fit into a datagram is truncated there. */
const whole = (q: Question, parts: Parts): Buffer[] => {
  const message = reply(q, parts);
  if (q.over === 'udp' && message.length > 1200) return [reply(q, { flags: 0x8380 })];
  return [message.subarray(0, 65_535)];
};

const times = <T>(n: number, make: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => make(i));
const one = (q: Question, rdata: Buffer, more: RecordFields = {}) => [
  reply(q, { answers: [record(q.type, rdata, more)] }),
];
/** An answer whose names are these, to all questions that are answered by names; addresses to the others. */
const named =
  (...labels: (string | Buffer)[]) =>
  (q: Question) =>
    one(q, proper(q.type, 1, name(...labels)));
const long = (i: number) =>
  name('x'.repeat(63), 'y'.repeat(63), 'z'.repeat(63), `${i}`.padStart(50, 'w'), 'example');
const alias = (from: Buffer, to: Buffer) => record(TYPES.CNAME, to, { owner: from });

/** Aliases in a ring of so many, beginning with the name asked for. */
const ring = (n: number) => (q: Question) =>
  whole(q, {
    answers: times(n, (i) => {
      const at = (k: number) => (k % n === 0 ? q.name : name(`c${k % n}`, 'loop', 'example'));
      return alias(at(i), at(i + 1));
    }),
  });

export function shapesOf(seed: number): readonly Shape[] {
  const random = generator(seed);
  const trouble = (text: string, answer: Shape['answer']): Shape => ({
    name: text,
    means: 'trouble',
    answer,
  });
  const answer = (text: string, make: Shape['answer']): Shape => ({
    name: text,
    means: 'answer',
    answer: make,
  });
  const rcodes = times(24, (rcode): Shape => {
    // Of an RCODE above 15 the lower bits stand in the header: who reads no OPT record sees these.
    const means = [0, 3].includes(rcode & 15) ? 'answer' : 'trouble';
    // RFC 6891 6.1.3: the upper bits stand in an OPT record.
    const opt = Buffer.concat([Buffer.of(0, 0, 41, 4, 208, rcode >> 4, 0, 0, 0, 0, 0)]);
    const make = (q: Question) => {
      const message = reply(q, { flags: 0x8180 | (rcode & 15), after: opt });
      message.writeUInt16BE(1, 10);
      return [message];
    };
    return { name: `RCODE ${rcode}`, means, answer: make };
  });
  return [
    trouble('no answer', () => []),
    answer('NOERROR without records', (q) => [reply(q, {})]),
    trouble('header only', (q) => [reply(q, { questions: 0, question: Buffer.alloc(0) })]),
    trouble('half a header', (q) => [reply(q, {}).subarray(0, 7)]),
    trouble('an empty message', () => [Buffer.alloc(0)]),
    trouble('cut in the question', (q) => [reply(q, {}).subarray(0, 14)]),
    trouble('cut in the record', (q) => [one(q, proper(q.type))[0]!.subarray(0, -2)]),
    trouble('cut in the owner', (q) => [reply(q, { count: 1, after: Buffer.of(0xc0) })]),
    trouble('more records counted than there are', (q) => [
      reply(q, { answers: [record(q.type, proper(q.type))], count: 65_535 }),
    ]),
    trouble('wrong id', (q) => [reply(q, { id: q.id ^ 1, answers: [record(q.type, proper(q.type))] })]),
    trouble('wrong name in the question', (q) => [
      reply(q, {
        question: Buffer.concat([name('other', 'example'), q.octets.subarray(-4)]),
        answers: [record(q.type, proper(q.type))],
      }),
    ]),
    trouble('wrong type in the question', (q) => [
      reply(q, {
        question: Buffer.concat([q.octets.subarray(0, -4), Buffer.of(0, 99, 0, 1)]),
        answers: [record(q.type, proper(q.type))],
      }),
    ]),
    trouble('class CH in the question', (q) => [
      reply(q, { question: Buffer.concat([q.octets.subarray(0, -1), Buffer.of(3)]) }),
    ]),
    trouble('a query for an answer', (q) => [reply(q, { flags: 0x0100 })]),
    {
      ...trouble('an answer from another port', (q) => one(q, proper(q.type))),
      elsewhere: true,
    },
    answer('records of class CH', (q) => one(q, proper(q.type), { of: 3 })),
    answer('records of class HS', (q) => one(q, proper(q.type), { of: 4 })),
    answer('records of another type', (q) => [
      reply(q, { answers: [record(q.type === TYPES.A ? TYPES.TXT : TYPES.A, Buffer.of(3, 1, 2, 3))] }),
    ]),
    answer('records of a type that nobody knows', (q) => [
      reply(q, { answers: [record(65_280, Buffer.of(1, 2, 3))] }),
    ]),
    answer('records of another owner', (q) => one(q, proper(q.type), { owner: name('other', 'example') })),
    trouble('truncated for ever', (q) => [reply(q, { flags: 0x8380 })]),
    answer('TXT of 64 KiB', (q) =>
      q.type === TYPES.TXT
        ? whole(q, { answers: [record(q.type, strings(`v=spf1 ${'a:x.example '.repeat(5300)}`))] })
        : one(q, proper(q.type)),
    ),
    answer('TXT of 64 KiB of one octet each', (q) =>
      q.type === TYPES.TXT
        ? whole(q, { answers: [record(q.type, Buffer.concat(times(32_700, () => Buffer.of(1, 32))))] })
        : one(q, proper(q.type)),
    ),
    answer('500 records', (q) => whole(q, { answers: times(500, (i) => record(q.type, proper(q.type, i))) })),
    answer('1,000 records of the same', (q) =>
      whole(q, { answers: times(1000, () => record(q.type, proper(q.type))) }),
    ),
    answer('names of 253 octets, as many as fit', (q) => {
      const records = times(230, (i) => record(q.type, proper(q.type, i, long(i))));
      return whole(q, { answers: records });
    }),
    answer('1,000 MX with names of 253 octets, compressed', (q) => {
      const tail = 12 + q.octets.length + 12;
      const first = record(TYPES.MX, mx(0, long(0)));
      const others = times(999, (i) => {
        const host = Buffer.concat([
          Buffer.from([49]),
          Buffer.from(`${i}`.padStart(49, 'v')),
          Buffer.of(0xc0, tail + 2 + 64),
        ]);
        return record(TYPES.MX, mx(i, host));
      });
      return q.type === TYPES.MX ? whole(q, { answers: [first, ...others] }) : one(q, proper(q.type));
    }),
    trouble('an alias of itself', ring(1)),
    trouble('aliases in a ring of 2', ring(2)),
    trouble('aliases in a ring of 50', ring(50)),
    answer('aliases that lead nowhere', (q) => [
      reply(q, { answers: [alias(q.name, name('gone', 'example'))] }),
    ]),
    answer('every name an alias of the next', (q) => {
      const next = name(`n${random() & 0xffff}`, 'chain', 'example');
      return q.type === TYPES.CNAME
        ? one(q, next)
        : [
            reply(q, {
              answers: [alias(q.name, next), record(q.type, proper(q.type, 1, next), { owner: next })],
            }),
          ];
    }),
    ...(
      [
        ['NUL', 'a\0b'],
        ['a space', 'a b'],
        ['a quote', 'a"b'],
        ['ESC', 'a\x1b[31mb'],
        ['CR LF', 'a\r\n550 b'],
        ['UTF-8', Buffer.from('bücher-日本')],
        ['octets that are no UTF-8', Buffer.of(0xff, 0xfe, 0x80)],
        ['a dot inside', 'www.example'],
        ['a backslash', 'a\\'],
        ['HTML', '<b>&amp;'],
        ['an underscore', '_x'],
        ['hyphens alone', '---'],
        ['63 octets', 'q'.repeat(63)],
      ] as const
    ).map(([what, label]) => answer(`names with ${what} in a label`, named(label, 'client', 'example'))),
    answer('the root for a name', (q) => one(q, proper(q.type, 1, Buffer.of(0)))),
    answer('a name of 127 labels', (q) => one(q, proper(q.type, 1, name(...times(126, () => 'a'))))),
    ...(
      [
        ['a name that points to itself', Buffer.of(0xc0, 0)],
        ['a name that points ahead', Buffer.of(0xc0, 80)],
        ['a name that points beyond the end', Buffer.of(0xff, 0xff)],
        ['a label of 64 octets', Buffer.concat([Buffer.of(64), Buffer.alloc(64, 'a'), Buffer.of(0)])],
        ['a label of 191 octets', Buffer.concat([Buffer.of(191), Buffer.alloc(191, 'a'), Buffer.of(0)])],
        ['a name of 300 octets', name(...times(5, () => 'a'.repeat(59)))],
        ['a name without end', Buffer.of(3, 97, 97, 97)],
      ] as const
    ).flatMap(([what, broken]) => [
      // All of them may be told that there is no such thing, but for the broken one.
      trouble(`${what}, as owner`, (q) => [
        reply(q, {
          answers: [record(q.type, proper(q.type), { owner: pointed(broken, 12 + q.octets.length) })],
        }),
      ]),
      {
        name: `${what}, in the record`,
        means: 'trouble' as const,
        answer: (q: Question) => {
          const isNamed = q.type !== TYPES.A && q.type !== TYPES.AAAA && q.type !== TYPES.TXT;
          const at = 12 + q.octets.length + 12 + (q.type === TYPES.MX ? 2 : 0);
          return isNamed ? one(q, proper(q.type, 1, pointed(broken, at))) : [];
        },
      },
    ]),
    ...[0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff].map((ttl) =>
      answer(`TTL ${ttl}`, (q) => one(q, proper(q.type), { ttl })),
    ),
    trouble('addresses of 3 and 15 octets', (q) =>
      q.type === TYPES.A || q.type === TYPES.AAAA ? one(q, proper(q.type).subarray(1)) : [],
    ),
    // c-ares reads as many octets as an address has.
    answer('addresses of 5 and 17 octets', (q) =>
      q.type === TYPES.A || q.type === TYPES.AAAA
        ? one(q, Buffer.concat([proper(q.type), Buffer.of(1)]))
        : [],
    ),
    trouble('MX without exchange', (q) => (q.type === TYPES.MX ? one(q, Buffer.of(0, 10)) : [])),
    trouble('MX of one octet', (q) => (q.type === TYPES.MX ? one(q, Buffer.of(0)) : [])),
    trouble('strings that are longer than their record', (q) =>
      q.type === TYPES.TXT ? one(q, Buffer.of(200, 118, 61)) : [],
    ),
    trouble('records without content', (q) => (q.type === TYPES.TXT ? [] : one(q, Buffer.alloc(0)))),
    trouble('records that are longer than the message', (q) => one(q, proper(q.type), { length: 60_000 })),
    answer('octets behind the message', (q) => [
      reply(q, { answers: [record(q.type, proper(q.type))], after: Buffer.alloc(300, 0xaa) }),
    ]),
    ...rcodes,
    trouble('random octets', () => [octets(random, random() % 600)]),
    trouble('the id, then random octets', (q) => [
      Buffer.concat([Buffer.of(q.id >> 8, q.id & 255), octets(random, random() % 600)]),
    ]),
    answer('random records', (q) => [
      reply(q, { count: 1 + (random() % 4), after: octets(random, random() % 400) }),
    ]),
    answer('a proper answer with octets changed', (q) => {
      const [message = Buffer.alloc(0)] = one(q, proper(q.type));
      for (let n = 1 + (random() % 4); n > 0; n--)
        message[2 + (random() % (message.length - 2))] = random() & 255;
      return [message];
    }),
    answer('ten answers at once', (q) => times(10, (i) => one(q, proper(q.type, i))[0]!)),
  ];
}

/** A pointer to itself has to know where it stands. */
function pointed(broken: Buffer, at: number): Buffer {
  return broken.length === 2 && broken[0] === 0xc0 && broken[1] === 0
    ? Buffer.of(0xc0 | (at >> 8), at & 255)
    : broken;
}

function octets(random: () => number, length: number): Buffer {
  const made = Buffer.alloc(length);
  for (let i = 0; i < length; i++) made[i] = random() & 255;
  return made;
}

/** mulberry32 */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  };
}
