/**
 * A DNS for gates under test, in which every honest client is in order: a loopback address has a name below example.net and
 * the name has the address; example.net, example.org and example.com have an MX and addresses. Nothing else exists.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { decode, encode, type Answer } from 'dns-packet';
import { onEnd, type Cleanup } from './program.ts';

const HONEST = /^(?:[\w-]+\.)*example\.(?:net|org|com)$/;
const NXDOMAIN = 3;

/** Its `address:port`. `zones` sends all questions below a name on to another server. */
export async function startDns(
  cleanup: Cleanup,
  zones: Readonly<Record<string, number>> = {},
): Promise<string> {
  const socket = createSocket('udp4');
  socket.on('message', (bytes, from) => {
    const packet = decode(bytes);
    const question = packet.questions?.[0];
    if (question === undefined) return;
    const name = question.name.toLowerCase();
    const zone = Object.keys(zones).find((z) => name === z || name.endsWith(`.${z}`));
    if (zone !== undefined) {
      const through = createSocket('udp4');
      const done = setTimeout(() => through.close(), 5000);
      through.once('message', (answer) => {
        clearTimeout(done);
        through.close();
        socket.send(answer, from.port, from.address);
      });
      through.send(bytes, zones[zone], '127.0.0.1');
      return;
    }
    const answers = answersTo(name, question.type);
    const reply = encode({
      type: 'response',
      id: packet.id ?? 0,
      // RD and RA; the low four bits are the RCODE.
      flags: 0x0180 | (answers === undefined ? NXDOMAIN : 0),
      questions: [question],
      answers: answers ?? [],
    });
    socket.send(reply, from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  onEnd(cleanup, () => void socket.close());
  return `127.0.0.1:${socket.address().port}`;
}

/** Undefined: no such name. */
function answersTo(name: string, type: string): Answer[] | undefined {
  const reverse = /^(\d+)\.(\d+)\.(\d+)\.127\.in-addr\.arpa$/.exec(name);
  if (reverse !== null) {
    const [, d, c, b] = reverse;
    return type === 'PTR' ? [{ type: 'PTR', name, ttl: 60, data: `n${b}-${c}-${d}.example.net` }] : [];
  }
  const host = /^n(\d+)-(\d+)-(\d+)\.example\.net$/.exec(name);
  if (host !== null) {
    const [, b, c, d] = host;
    return type === 'A' ? [{ type: 'A', name, ttl: 60, data: `127.${b}.${c}.${d}` }] : [];
  }
  if (name === '4.3.2.1.in-addr.arpa') {
    return type === 'PTR' ? [{ type: 'PTR', name, ttl: 60, data: 'mail.example.net' }] : [];
  }
  if (!HONEST.test(name)) return undefined;
  // Nobody is called there, but it has to be a public address: documentation addresses are bogus to `sender-mx`.
  if (type === 'A')
    return [{ type: 'A', name, ttl: 60, data: name === 'client.example.net' ? '127.0.0.1' : '1.2.3.4' }];
  if (type === 'MX' && /^example\./.test(name)) {
    return [{ type: 'MX', name, ttl: 60, data: { preference: 10, exchange: `mail.${name}` } }];
  }
  return [];
}
