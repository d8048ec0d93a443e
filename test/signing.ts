/** Messages signed and sealed as other hosts would, with keys made for the run. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import type { DKIMSignOptions } from 'mailauth';
import { sealMessage } from 'mailauth/lib/arc/index.js';
import { dkimSign } from 'mailauth/lib/dkim/sign.js';

interface Signer {
  readonly privateKey: string;
  /** Of `_domainkey`, as it stands in DNS. */
  readonly record: string;
}

const signer = (kind: 'rsa' | 'ed25519', keys: { publicKey: KeyObject; privateKey: KeyObject }): Signer => {
  const der = keys.publicKey.export({ type: 'spki', format: 'der' });
  // RFC 8463 4: the bare 32 octets.
  const p = (kind === 'ed25519' ? der.subarray(-32) : der).toString('base64');
  return {
    privateKey: keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    record: `v=DKIM1; k=${kind}; p=${p}`,
  };
};

export const ED25519 = signer('ed25519', generateKeyPairSync('ed25519'));
export const rsaSigner = (bits: number): Signer =>
  signer('rsa', generateKeyPairSync('rsa', { modulusLength: bits }));

/** The zone of a domain that signs with the selector `s`. */
export const keyOf = (domain: string, { record } = ED25519): Record<string, string> => ({
  [`s._domainkey.${domain} TXT`]: record,
});

export async function signed(
  message: string,
  signingDomain: string,
  more: Partial<DKIMSignOptions> = {},
  { privateKey } = ED25519,
): Promise<string> {
  const options = { signingDomain, selector: 's', privateKey, canonicalization: 'relaxed/relaxed', ...more };
  const { signatures, errors } = await dkimSign(message, { ...options, signatureData: [options] });
  if (errors.length > 0 || signatures === '') throw new Error('not signed', { cause: errors });
  return signatures + message;
}

/** One more ARC set. */
export async function sealed(
  message: string,
  signingDomain: string,
  authResults: string,
  i = 1,
): Promise<string> {
  const seal = await sealMessage(message, {
    signingDomain,
    selector: 's',
    privateKey: ED25519.privateKey,
    authResults,
    i,
    cv: i === 1 ? 'none' : 'pass',
  });
  if (seal.length === 0) throw new Error('not sealed');
  return seal.toString() + message;
}
