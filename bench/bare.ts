/**
 * The least that answers like an SMTP server on `node:net`: lines in, fixed replies out, nothing parsed, nothing kept. What
 * the gate costs beyond this is the gate's own. `bare.ts`; recipients outside example.org are refused.
 */
import { createServer, type AddressInfo } from 'node:net';

const END = Buffer.from('\r\n.\r\n');

const server = createServer({ noDelay: true }, (socket) => {
  let text = '';
  // The last octets of a message, in which its end may have begun.
  let tail: Buffer | undefined;
  socket.on('error', () => socket.destroy());
  socket.on('data', (bytes) => {
    if (tail !== undefined) {
      const seen: Buffer = tail.length === 0 ? bytes : Buffer.concat([tail, bytes]);
      if (!seen.includes(END)) {
        tail = seen.subarray(-4);
        return;
      }
      tail = undefined;
      socket.write('250 2.0.0 Ok\r\n');
      return;
    }
    text += bytes.toString('latin1');
    let end = text.indexOf('\r\n');
    while (end >= 0) {
      const line = text.slice(0, end);
      text = text.slice(end + 2);
      end = text.indexOf('\r\n');
      switch (line.slice(0, 4)) {
        case 'EHLO':
          socket.write('250-bare\r\n250-8BITMIME\r\n250 SIZE 52428800\r\n');
          break;
        case 'RCPT':
          socket.write(line.endsWith('@example.org>') ? '250 2.1.5 Ok\r\n' : '550 5.7.1 Refused\r\n');
          break;
        case 'DATA':
          tail = Buffer.alloc(0);
          socket.write('354 Go on\r\n');
          break;
        case 'QUIT':
          socket.end('221 2.0.0 Bye\r\n');
          break;
        default:
          socket.write('250 2.0.0 Ok\r\n');
      }
    }
  });
  socket.write('220 bare ESMTP\r\n');
});
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  process.stdout.write(`listening on ${(server.address() as AddressInfo).port}\n`);
});
