import { addressFromText, type Endpoint, type ProxyOutcome } from './endpoint.ts';

/** haproxy's proxy-protocol.txt 2.1: the longest line there is has 107 octets with its CRLF. */
export const MAX_V1_OCTETS = 107;
export const V1_SIGNATURE = Buffer.from('PROXY ');

const PORT = /^(?:0|[1-9]\d{0,4})$/;

/** `PROXY TCP4 source destination sourceport destinationport CRLF`; the bytes are known to begin with `PROXY `. */
export function readV1(bytes: Buffer): ProxyOutcome {
  const end = bytes.subarray(0, MAX_V1_OCTETS).indexOf('\r\n');
  if (end === -1) {
    return bytes.length < MAX_V1_OCTETS
      ? { kind: 'incomplete' }
      : malformed(`no line end in ${MAX_V1_OCTETS} octets`);
  }
  const usedOctets = end + 2;
  const [, family, source = '', destination = '', sourcePort = '', destinationPort = '', ...more] = bytes
    .toString('latin1', 0, end)
    .split(' ');
  // 2.1: what follows UNKNOWN is to be ignored.
  if (family === 'UNKNOWN') return { kind: 'header', header: { kind: 'unknown' }, usedOctets };
  if (family !== 'TCP4' && family !== 'TCP6') return malformed('neither TCP4, TCP6 nor UNKNOWN');
  if (more.length > 0) return malformed('more than four fields');
  const from = endpoint(source, sourcePort, family);
  const to = endpoint(destination, destinationPort, family);
  if (from === undefined || to === undefined) return malformed(`no ${family} address and port`);
  return { kind: 'header', header: { kind: 'proxied', source: from, destination: to }, usedOctets };
}

function endpoint(text: string, portText: string, family: 'TCP4' | 'TCP6'): Endpoint | undefined {
  const address = addressFromText(text, family === 'TCP4' ? 4 : 6);
  const port = Number(portText);
  return address !== undefined && PORT.test(portText) && port <= 65_535 ? { address, port } : undefined;
}

function malformed(reason: string): ProxyOutcome {
  return { kind: 'malformed', reason: `PROXY v1: ${reason}` };
}
