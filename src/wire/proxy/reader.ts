import type { ProxyOutcome } from './endpoint.ts';
import { readV1, V1_SIGNATURE } from './v1.ts';
import { MAX_V2_PAYLOAD_OCTETS, readV2, V2_SIGNATURE } from './v2.ts';

/*
 * The PROXY protocol (haproxy's proxy-protocol.txt), versions 1 and 2: the line or block before the first byte of the
 * dialogue by which a proxy says who the client is. Only to be read from networks that the operator listed: whoever can
 * send it can be anyone. There is no guessing between header and dialogue (3): a connection that should have a
 * header and has none is malformed.
 */

/** More than this is never waited for: the outcome is then no longer `incomplete`. */
export const MAX_PROXY_HEADER_OCTETS = 16 + MAX_V2_PAYLOAD_OCTETS;

/** The header at the start of all bytes received so far. Costs the same however often it is asked. */
export function readProxyHeader(bytes: Buffer): ProxyOutcome {
  if (begins(bytes, V1_SIGNATURE))
    return bytes.length < V1_SIGNATURE.length ? { kind: 'incomplete' } : readV1(bytes);
  if (begins(bytes, V2_SIGNATURE))
    return bytes.length < V2_SIGNATURE.length ? { kind: 'incomplete' } : readV2(bytes);
  return { kind: 'malformed', reason: 'no PROXY header' };
}

function begins(bytes: Buffer, signature: Buffer): boolean {
  const length = Math.min(bytes.length, signature.length);
  return bytes.subarray(0, length).equals(signature.subarray(0, length));
}
