/** Mail with files in it, and archives of every kind made in memory, for tests. */
import { crc32, deflateRawSync } from 'node:zlib';

export interface File {
  readonly name?: string;
  readonly octets: Buffer | string;
  readonly type?: string;
}

/** A message with a text and each file attached in base64. */
export function mailWith(...files: readonly File[]): Buffer {
  const parts = files.map(({ name, octets, type = 'application/octet-stream' }) => {
    const disposition =
      name === undefined ? 'attachment' : `attachment;\r\n filename*=UTF-8''${encodeURIComponent(name)}`;
    const body = Buffer.from(octets).toString('base64').replace(/.{76}/g, '$&\r\n');
    return `Content-Type: ${type}\r\nContent-Disposition: ${disposition}\r\nContent-Transfer-Encoding: base64\r\n\r\n${body}\r\n`;
  });
  const text = 'Content-Type: text/plain\r\n\r\nSee the file.\r\n';
  return Buffer.from(
    'From: a@example.net\r\nTo: b@example.org\r\nDate: Sat, 21 Nov 2026 09:00:00 +0100\r\nSubject: Files\r\nMIME-Version: 1.0\r\n' +
      'Content-Type: multipart/mixed; boundary=xyz\r\n\r\n' +
      `${[text, ...parts].map((part) => `--xyz\r\n${part}`).join('')}--xyz--\r\n`,
  );
}

/** As little of a Windows program as is needed to be one. */
export const PROGRAM = Buffer.concat([
  Buffer.from('MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0', 'latin1'),
  Buffer.alloc(44),
  Buffer.from([64, 0, 0, 0]),
  Buffer.from('PE\0\0', 'latin1'),
  Buffer.alloc(200),
]);

export interface Packed {
  readonly name: string | Buffer;
  readonly octets: Buffer | string;
  /** Other than the name in the directory. */
  readonly localName?: string;
  readonly method?: number;
  readonly flags?: number;
  /** What the headers claim. */
  readonly claimsOctets?: number;
  /** Extra fields of the directory. */
  readonly extra?: Buffer;
}

/** A zip. `directory: false`: cut off behind its files. */
export function zipOf(files: readonly Packed[], { directory = true } = {}): Buffer {
  const local: Buffer[] = [];
  const central: Buffer[] = [];
  let at = 0;
  for (const {
    name,
    octets,
    localName,
    method = 8,
    flags = 0,
    claimsOctets,
    extra = Buffer.alloc(0),
  } of files) {
    const data = Buffer.from(octets);
    const packed = method === 8 ? deflateRawSync(data) : data;
    const said = Buffer.from(name);
    const there = Buffer.from(localName ?? name);
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(20, 0);
    fields.writeUInt16LE(flags, 2);
    fields.writeUInt16LE(method, 4);
    fields.writeUInt32LE(crc32(data), 10);
    fields.writeUInt32LE(packed.length, 14);
    fields.writeUInt32LE(claimsOctets ?? data.length, 18);
    fields.writeUInt16LE(there.length, 22);
    local.push(Buffer.from('PK\x03\x04', 'latin1'), Buffer.from(fields), there, packed);
    fields.writeUInt16LE(said.length, 22);
    fields.writeUInt16LE(extra.length, 24);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(at, 10);
    central.push(Buffer.from('PK\x01\x02\x14\0', 'latin1'), fields, rest, said, extra);
    at += 30 + there.length + packed.length;
  }
  const listed = Buffer.concat(central);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(files.length & 0xffff, 8);
  end.writeUInt16LE(files.length & 0xffff, 10);
  end.writeUInt32LE(listed.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat(directory ? [...local, listed, end] : local);
}

/** With its directory where only the larger end record says (APPNOTE 4.3.14). */
export function zip64Of(zip: Buffer): Buffer {
  const end = Buffer.from(zip.subarray(-22));
  const end64 = Buffer.alloc(56);
  end64.writeUInt32LE(0x06064b50, 0);
  end64.writeBigUInt64LE(44n, 4);
  end64.writeBigUInt64LE(BigInt(end.readUInt32LE(12)), 40);
  end64.writeBigUInt64LE(BigInt(end.readUInt32LE(16)), 48);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50, 0);
  locator.writeBigUInt64LE(BigInt(zip.length - 22), 8);
  end.fill(0xff, 8, 20);
  return Buffer.concat([zip.subarray(0, -22), end64, locator, end]);
}

/** A rar of version 4 with files as they are, or only their names where `encrypted` says so. */
export function rarOf(
  files: readonly { readonly name: string; readonly octets: Buffer; readonly encrypted?: true }[],
): Buffer {
  const block = (type: number, flags: number, fields: Buffer): Buffer => {
    const head = Buffer.alloc(7);
    head[2] = type;
    head.writeUInt16LE(flags, 3);
    head.writeUInt16LE(7 + fields.length, 5);
    const whole = Buffer.concat([head, fields]);
    whole.writeUInt16LE(crc32(whole.subarray(2)) & 0xffff, 0);
    return whole;
  };
  const out = [Buffer.from('Rar!\x1a\x07\0', 'latin1'), block(0x73, 0, Buffer.alloc(6))];
  for (const { name, octets, encrypted } of files) {
    const said = Buffer.from(name);
    const fields = Buffer.alloc(25);
    fields.writeUInt32LE(octets.length, 0);
    fields.writeUInt32LE(octets.length, 4);
    fields[8] = 3;
    fields.writeUInt32LE(crc32(octets), 9);
    fields.writeUInt32LE(0x58214a00, 13);
    fields[17] = 20;
    fields[18] = 0x30;
    fields.writeUInt16LE(said.length, 19);
    fields.writeUInt32LE(0o100644, 21);
    out.push(block(0x74, encrypted === true ? 0x8004 : 0x8000, Buffer.concat([fields, said])), octets);
  }
  out.push(block(0x7b, 0x4000, Buffer.alloc(0)));
  return Buffer.concat(out);
}

/** A rar of version 5. */
export function rar5Of(files: readonly { readonly name: string; readonly octets: Buffer }[]): Buffer {
  const vint = (value: number): Buffer => {
    const octets: number[] = [];
    for (let left = value; ; left = Math.floor(left / 128)) {
      octets.push((left % 128) | (left >= 128 ? 128 : 0));
      if (left < 128) return Buffer.from(octets);
    }
  };
  const block = (fields: Buffer): Buffer => {
    const sized = Buffer.concat([vint(fields.length), fields]);
    const sum = Buffer.alloc(4);
    sum.writeUInt32LE(crc32(sized));
    return Buffer.concat([sum, sized]);
  };
  const of = (...numbers: number[]) => Buffer.concat(numbers.map(vint));
  const out = [Buffer.from('Rar!\x1a\x07\x01\0', 'latin1'), block(of(1, 0, 0))];
  for (const { name, octets } of files) {
    const said = Buffer.from(name);
    const sum = Buffer.alloc(4);
    sum.writeUInt32LE(crc32(octets));
    const fields = [of(2, 2, octets.length, 4, octets.length, 0o100644), sum, of(0, 1, said.length), said];
    out.push(block(Buffer.concat(fields)), octets);
  }
  out.push(block(of(5, 0, 0)));
  return Buffer.concat(out);
}

/** A cabinet ([MS-CAB]) with one file, not compressed. */
export function cabinetOf(name: string, octets: Buffer): Buffer {
  const said = Buffer.from(`${name}\0`);
  const filesAt = 36 + 8;
  const dataAt = filesAt + 16 + said.length;
  const head = Buffer.alloc(36);
  head.write('MSCF');
  head.writeUInt32LE(dataAt + 8 + octets.length, 8);
  head.writeUInt32LE(filesAt, 16);
  head.writeUInt16LE(0x0103, 24);
  head.writeUInt16LE(1, 26);
  head.writeUInt16LE(1, 28);
  const folder = Buffer.alloc(8);
  folder.writeUInt32LE(dataAt, 0);
  folder.writeUInt16LE(1, 4);
  const file = Buffer.alloc(16);
  file.writeUInt32LE(octets.length, 0);
  file.writeUInt16LE(0x5a6a, 10);
  const data = Buffer.alloc(8);
  data.writeUInt16LE(octets.length, 4);
  data.writeUInt16LE(octets.length, 6);
  return Buffer.concat([head, folder, file, said, data, octets]);
}

/** An lha archive of level 0 with one file, not compressed. */
export function lhaOf(name: string, octets: Buffer): Buffer {
  const said = Buffer.from(name);
  const head = Buffer.alloc(22);
  head[0] = 22 + said.length;
  head.write('-lh0-', 2);
  head.writeUInt32LE(octets.length, 7);
  head.writeUInt32LE(octets.length, 11);
  head.writeUInt32LE(0x5a6a0000, 15);
  head[19] = 0x20;
  head[21] = said.length;
  const header = Buffer.concat([head, said, Buffer.alloc(2)]);
  header.writeUInt16LE(crc16(octets), header.length - 2);
  header[1] = header.subarray(2).reduce((sum, octet) => (sum + octet) & 0xff, 0);
  return Buffer.concat([header, octets, Buffer.alloc(1)]);
}

function crc16(octets: Buffer): number {
  let crc = 0;
  for (const octet of octets) {
    crc ^= octet;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0xa001 : crc >>> 1;
  }
  return crc;
}

/** A tar with plain headers, changed as a test wants them. */
export function tarOf(
  files: readonly { readonly name: string; readonly octets: Buffer | string; readonly flag?: string }[],
  change: (header: Buffer) => void = () => undefined,
): Buffer {
  const out: Buffer[] = [];
  for (const { name, octets, flag = '0' } of files) {
    const data = Buffer.from(octets);
    const header = Buffer.alloc(512);
    header.write(name.slice(0, 100), 0);
    header.write(`${data.length.toString(8).padStart(11, '0')}\0`, 124, 'latin1');
    header.write(flag, 156);
    header.write('ustar\x0000', 257, 'latin1');
    change(header);
    header.fill(32, 148, 156);
    const sum = header.reduce((all, octet) => all + octet, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    out.push(header, data, Buffer.alloc((512 - (data.length % 512)) % 512));
  }
  return Buffer.concat([...out, Buffer.alloc(1024)]);
}
