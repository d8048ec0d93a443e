/**
 * A mailbox server that keeps score, as a process of its own so that it can be killed: `scorekeeper.ts PORT FOLDER`.
 * It answers 250 to a message once its file stands in the folder under its final name; what holds `X-Refuse: yes` it
 * refuses after the final dot and keeps nowhere, what holds `X-Defer: yes` it defers. Now and then it takes its time, so
 * that kills find it at every step. Line by line and trusting: it is a test's own peer, never a server.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';

const [port = '0', folder = '.'] = process.argv.slice(2);
let serial = 0;

const server = createServer({ noDelay: true }, (socket) => {
  let text = '';
  let message: string[] | undefined;
  const say = (reply: string) => void socket.write(`${reply}\r\n`);
  const command = (line: string) => {
    const verb = line.slice(0, 4).toUpperCase();
    if (verb === 'EHLO')
      say('250-scorekeeper.example.org\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 SIZE 104857600');
    else if (verb === 'DATA') {
      message = [];
      say('354 go on');
    } else if (verb === 'RCPT' && line.includes('<nobody')) say('550 5.1.1 no such mailbox');
    else if (verb === 'QUIT') socket.end('221 2.0.0 bye\r\n');
    else say('250 2.0.0 ok');
  };
  const endOfMessage = (lines: readonly string[]) => {
    const body = `${lines.map((line) => (line.startsWith('.') ? line.slice(1) : line)).join('\r\n')}\r\n`;
    const keep = () => {
      const mark = /^X-(Refuse|Defer): yes\r$/m.exec(body)?.[1];
      if (mark !== undefined) {
        say(mark === 'Refuse' ? '554 5.7.1 not here' : '451 4.3.0 not now');
        return;
      }
      const name = `${process.pid}.${++serial}`;
      writeFileSync(join(folder, `.tmp-${name}`), body, 'latin1');
      renameSync(join(folder, `.tmp-${name}`), join(folder, name));
      // Between keeping and saying so lies the moment that makes duplicates, but must never make losses.
      setTimeout(() => say('250 2.0.0 kept'), serial % 7);
    };
    setTimeout(keep, serial % 5);
  };
  say('220 scorekeeper.example.org ESMTP');
  socket.on('data', (bytes) => {
    text += bytes.toString('latin1');
    const lines = text.split('\r\n');
    text = lines.pop() ?? '';
    for (const line of lines) {
      if (message === undefined) command(line);
      else if (line === '.') {
        const whole = message;
        message = undefined;
        endOfMessage(whole);
      } else message.push(line);
    }
  });
  socket.on('error', () => socket.destroy());
});
server.listen(Number(port), '127.0.0.1', () => {
  process.stdout.write('listening\n');
});
