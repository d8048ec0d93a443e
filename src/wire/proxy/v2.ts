import { addressFromOctets, type ProxyOutcome } from './endpoint.ts';

/** Addresses take 216 octets at most; the rest are TLVs (certificate names, ids), which we do not read. */
export const MAX_V2_PAYLOAD_OCTETS = 4096;
export const V2_SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');

const HEAD_OCTETS = 16;

/** haproxy's proxy-protocol.txt 2.2; the bytes are known to begin with the signature. */
export function readV2(bytes: Buffer): ProxyOutcome {
  if (bytes.length < HEAD_OCTETS) return { kind: 'incomplete' };
  const command = bytes.readUInt8(12);
  const family = bytes.readUInt8(13);
  const length = bytes.readUInt16BE(14);
  if (command !== 0x20 && command !== 0x21) return malformed(`version and command ${hex(command)}`);
  // High half: unspecified, IPv4, IPv6, Unix; low half: unspecified, stream, datagram.
  if (family >> 4 > 3 || (family & 15) > 2) return malformed(`family and transport ${hex(family)}`);
  if (length > MAX_V2_PAYLOAD_OCTETS)
    return malformed(`${length} octets, ${MAX_V2_PAYLOAD_OCTETS} are allowed`);
  const octets = family === 0x11 ? 4 : family === 0x21 ? 16 : 0;
  if (command === 0x21 && octets > 0 && length < 2 * octets + 4)
    return malformed('too short for its addresses');
  const usedOctets = HEAD_OCTETS + length;
  if (bytes.length < usedOctets) return { kind: 'incomplete' };
  if (command === 0x20) return { kind: 'header', header: { kind: 'local' }, usedOctets };
  if (octets === 0) return { kind: 'header', header: { kind: 'unknown' }, usedOctets };
  const ports = HEAD_OCTETS + 2 * octets;
  const source = {
    address: addressFromOctets(bytes.subarray(HEAD_OCTETS, HEAD_OCTETS + octets)),
    port: bytes.readUInt16BE(ports),
  };
  const destination = {
    address: addressFromOctets(bytes.subarray(HEAD_OCTETS + octets, ports)),
    port: bytes.readUInt16BE(ports + 2),
  };
  return { kind: 'header', header: { kind: 'proxied', source, destination }, usedOctets };
}

function malformed(reason: string): ProxyOutcome {
  return { kind: 'malformed', reason: `PROXY v2: ${reason}` };
}

function hex(octet: number): string {
  return `0x${octet.toString(16).padStart(2, '0')}`;
}
