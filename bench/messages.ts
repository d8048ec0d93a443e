/**
 * What the checks of a message cost: signed messages of 4 KiB and 100 KiB through a gate with DKIM, ARC, DMARC, attachments, a classifier that has
 * learnt, and all others by their defaults; in turns with the same gate without any check of the message. Names, keys and policies
 * come from real DNS servers, the same answers every time. CPU of the gate alone, with all its threads.
 */
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32, deflateRawSync } from 'node:zlib';
import { openClassifier } from '../src/adapters/classifier/sqlite.ts';
import { openJournal } from '../src/adapters/journal/sqlite.ts';
import { LADDER } from '../src/checks/ladder.ts';
import type { Step } from '../src/core/decision.ts';
import { tokensOf } from '../src/mail/tokens.ts';
import { startGate, type Gate } from '../test/gate.ts';
import type { Cleanup } from '../test/program.ts';
import { rsaSigner, signed } from '../test/signing.ts';
import { readCorpus } from './corpus.ts';
import { CLIENTS, HONEST_FIRST, startDnsServers } from './dns-servers.ts';
import { cpuSeconds, load, median } from './measure.ts';
import { CALM, ROOMY, startServer, type Places } from './servers.ts';

const GATES = ['with', 'without'] as const;

export interface MessageRow {
  readonly workload: string;
  /** Whether those of the message were on. */
  readonly checks: (typeof GATES)[number];
  readonly perSecond: number;
  readonly cpuPerThousand: number;
  readonly p99Ms: number;
}

/** What checks must have found with the last message, so that the figures mean something. */
const EXPECTED: Readonly<Record<string, readonly string[]>> = {
  spf: ['pass'],
  dkim: ['pass'],
  dmarc: ['pass'],
  arc: ['none'],
  attachments: ['ok'],
  classifier: ['ham', 'unsure', 'spam'],
};
const NAMES = ['-H', 'mx%d.example.net', '-F', 'sender%d@example.net', '-S', String(CLIENTS)];
const TEXT_OCTETS = 3400;
const ATTACHED_OCTETS = 72_000;
const TXT_STRING = 255;

/** Undefined where nsd, rbldnsd, unbound or smtp-sink is not installed. */
export async function messageRows(
  cleanup: Cleanup,
  smtpload: string,
  places: Places,
  { rounds, scale, progress }: { rounds: number; scale: number; progress: (text: string) => void },
): Promise<readonly MessageRow[] | undefined> {
  if (places.smtpSink === undefined) return undefined;
  const dir = join(places.dir, 'messages');
  await mkdir(dir);
  const signer = rsaSigner(2048);
  const dns = await startDnsServers(cleanup, dir, [
    `s._domainkey TXT ${strings(signer.record)}`,
    '_dmarc TXT "v=DMARC1; p=reject"',
  ]);
  if (dns === undefined) return undefined;

  const gates = new Map<MessageRow['checks'], Gate>();
  for (const checks of GATES) {
    const home = join(dir, checks);
    await mkdir(join(home, 'data'), { recursive: true });
    if (checks === 'with') {
      progress('the classifier learns');
      learn(join(home, 'data', 'classifier.sqlite'));
    }
    const sink = await startServer(cleanup, 'smtp-sink', places, false);
    const off = checks === 'with' ? [] : LADDER.filter(({ stage }) => stage === 'endOfMessage');
    const gate = await startGate(cleanup, {
      dir: home,
      backend: `smtp://127.0.0.1:${sink?.port ?? 9}`,
      dns: `127.0.0.1:${dns.port}`,
      limits: ROOMY,
      tables: `${CALM}[checks.greylist]\nmode = "seed-only"\n${off.map(({ name }) => `[checks.${name}]\non_fail = "off"\n`).join('')}`,
    });
    gates.set(checks, gate);
  }

  const text = textOfHam();
  const rows: MessageRow[] = [];
  for (const { name, message, sessions } of [
    { name: '4 KiB', message: plain(text), sessions: 500 * scale },
    { name: '100 KiB, with an archive', message: withArchive(text), sessions: 200 * scale },
  ]) {
    const file = join(dir, `${name.slice(0, 3).trim()}.eml`);
    await writeFile(file, await signed(message, 'example.net', {}, signer), 'latin1');
    const taken = new Map(
      GATES.map((checks) => [
        checks,
        { perSecond: [] as number[], cpu: [] as number[], p99: [] as number[] },
      ]),
    );
    for (let round = 0; round <= rounds; round++) {
      for (const [checks, gate] of gates) {
        progress(`${name} ${checks} the checks of the message, round ${round} of ${rounds}`);
        const before = cpuSeconds(gate.pid);
        const result = await load(smtpload, gate.port, [
          ...['-n', String(sessions), '-c', '20', '-x', String(round * sessions)],
          ...['-B', HONEST_FIRST, '-f', file, ...NAMES],
        ]);
        const cpu = cpuSeconds(gate.pid) - before;
        if (result.replies['message 250'] !== sessions)
          throw new Error(
            `${name}: not all ${sessions} messages were taken: ${JSON.stringify(result)} ${JSON.stringify(gate.log().at(-1))}`,
          );
        // The first round warms up.
        if (round === 0) continue;
        const list = taken.get(checks);
        list?.perSecond.push(result.per_second);
        list?.cpu.push((cpu / sessions) * 1000);
        list?.p99.push(result.p99_ms);
      }
    }
    for (const checks of GATES) {
      const { perSecond = [], cpu = [], p99 = [] } = taken.get(checks) ?? {};
      rows.push({
        workload: name,
        checks,
        perSecond: median(perSecond),
        cpuPerThousand: median(cpu),
        p99Ms: median(p99),
      });
    }
  }
  for (const gate of gates.values()) await gate.stop();
  await haveLooked(dir);
  return rows;
}

/** A quarter of the corpus, some 1,500 messages. */
function learn(file: string): void {
  const store = openClassifier(file);
  for (const { spam, delivered } of readCorpus(4))
    store.learn(spam ? 'spam' : 'ham', createHash('sha256').update(delivered).digest(), tokensOf(delivered));
  store.close();
}

/** The text of a real message, so that its words are ones that have been learnt. */
function textOfHam(): string {
  for (const { octets } of readCorpus(50)) {
    const body = octets.toString('latin1').split('\r\n\r\n').slice(1).join('\r\n\r\n');
    if (body.length > TEXT_OCTETS && !/[^\r\n\x20-\x7e]/.test(body))
      return `${body.slice(0, TEXT_OCTETS)}\r\n`;
  }
  throw new Error('the corpus has no text that is long enough');
}

const HEADER = `From: An Author <author@example.net>\r\nTo: user@example.org\r\nSubject: Minutes of the meeting\r
Date: Sat, 21 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.net>\r\nMIME-Version: 1.0\r\n`;

const plain = (text: string): string => `${HEADER}Content-Type: text/plain; charset=us-ascii\r\n\r\n${text}`;

function withArchive(text: string): string {
  const archive = zip('minutes.txt', text, 'photo.bin', randomBytes(ATTACHED_OCTETS));
  return `${HEADER}Content-Type: multipart/mixed; boundary="between"\r\n\r
--between\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n${text}
--between\r\nContent-Type: application/zip; name="minutes.zip"\r\nContent-Transfer-Encoding: base64\r
Content-Disposition: attachment; filename="minutes.zip"\r\n\r\n${archive.toString('base64').replace(/.{76}/g, '$&\r\n')}\r
--between--\r\n`;
}

/** Names and contents in turn. PKWARE's APPNOTE 4.3: a local header and the data for each, then the directory. */
function zip(...entries: readonly (string | Buffer)[]): Buffer {
  const local: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (let i = 0; i + 1 < entries.length; i += 2) {
    const name = Buffer.from(entries[i] ?? '');
    const data = Buffer.from(entries[i + 1] ?? '');
    const packed = deflateRawSync(data);
    // Both headers have these in the same order: version, flags, method, time, date, CRC, sizes, lengths of name and extra field.
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(8, 4);
    common.writeUInt32LE(crc32(data), 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(data.length, 18);
    common.writeUInt16LE(name.length, 22);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10);
    directory.push(Buffer.from('PK\x01\x02\x14\0', 'latin1'), common, tail, name);
    const whole = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), common, name, packed]);
    offset += whole.length;
    local.push(whole);
  }
  const listed = Buffer.concat(directory);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(entries.length / 2, 4);
  end.writeUInt16LE(entries.length / 2, 6);
  end.writeUInt32LE(listed.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...local, listed, Buffer.from('PK\x05\x06', 'latin1'), end]);
}

/** Figures of checks that looked at nothing would say nothing, nor would those of a gate without checks that looked all the same. */
async function haveLooked(dir: string): Promise<void> {
  const [withThem, without] = await Promise.all(GATES.map((checks) => lastSteps(join(dir, checks))));
  for (const [check, codes] of Object.entries(EXPECTED)) {
    const found = withThem?.filter((step) => step.check === check).flatMap(({ findings }) => findings) ?? [];
    if (!found.some(({ code }) => codes.includes(code)))
      throw new Error(
        `${check} found ${JSON.stringify(found)} in the bench's message, wanted ${codes.join(' or ')}`,
      );
  }
  const looked = without?.filter(({ stage }) => stage === 'endOfMessage') ?? [];
  if (without === undefined || without.length === 0 || looked.length > 0)
    throw new Error(`the gate without checks of the message took these steps: ${JSON.stringify(looked)}`);
}

async function lastSteps(home: string): Promise<readonly Step[]> {
  const journal = openJournal(join(home, 'data', 'journal.sqlite'));
  const [last] = await journal.find({ limit: 1 });
  await journal.close();
  return last?.steps ?? [];
}

/** RFC 1035 3.3.14: a record's character strings have 255 octets at most. */
function strings(text: string): string {
  const parts: string[] = [];
  for (let i = 0; i < text.length; i += TXT_STRING) parts.push(`"${text.slice(i, i + TXT_STRING)}"`);
  return parts.join(' ');
}
