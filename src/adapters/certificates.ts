/** The gate's certificates by server name, read again when their files change; a broken new file leaves the old in force. */
import { constants, X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import type { SecureContext } from 'node:tls';
import { createSecureContext } from 'node:tls';

export interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
}

export interface CertificateSettings extends CertificateFiles {
  readonly sni: readonly (CertificateFiles & { readonly names: readonly string[] })[];
  /** Some Microsoft senders abort TLS 1.3 handshakes after a session ticket; without tickets they do not. */
  readonly sessionTickets: boolean;
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
}

// Handshakes come by the hundred a second; whether a file has changed is asked once in this time.
const LOOK_EVERY_MS = 5_000;

interface Loaded {
  readonly files: CertificateFiles;
  context: SecureContext;
  endsMs: number;
  stamp: string;
  lookedMs: number;
}

export class Certificates {
  readonly #settings: CertificateSettings;
  readonly #nowMs: () => number;
  readonly #onTrouble: (file: string, error: unknown) => void;
  readonly #byDefault: Loaded;
  readonly #byName = new Map<string, Loaded>();

  /** Throws where a file cannot be read or key and certificate do not fit. */
  constructor(
    settings: CertificateSettings,
    nowMs: () => number,
    onTrouble: (file: string, error: unknown) => void,
  ) {
    this.#settings = settings;
    this.#nowMs = nowMs;
    this.#onTrouble = onTrouble;
    this.#byDefault = this.#load(settings);
    for (const sni of settings.sni) {
      const loaded = this.#load(sni);
      for (const name of sni.names) this.#byName.set(name.toLowerCase(), loaded);
    }
  }

  /** The context for a name the client asks for, exact or by its wildcard; the default one for all others. */
  contextFor(serverName: string | undefined): SecureContext {
    const name = serverName?.toLowerCase() ?? '';
    const wildcard = `*${name.slice(Math.max(0, name.indexOf('.')))}`;
    return this.#fresh(this.#byName.get(name) ?? this.#byName.get(wildcard) ?? this.#byDefault);
  }

  /** When each certificate in force ends, by its file. */
  expiries(): ReadonlyMap<string, number> {
    const all = [this.#byDefault, ...this.#byName.values()];
    return new Map(
      all.map((loaded) => {
        // Where nobody speaks TLS for hours a renewal is still seen.
        this.#fresh(loaded);
        return [loaded.files.certificate, loaded.endsMs];
      }),
    );
  }

  #fresh(loaded: Loaded): SecureContext {
    const nowMs = this.#nowMs();
    if (nowMs - loaded.lookedMs < LOOK_EVERY_MS) return loaded.context;
    loaded.lookedMs = nowMs;
    try {
      if (stampOf(loaded.files) !== loaded.stamp) Object.assign(loaded, this.#load(loaded.files));
    } catch (error) {
      this.#onTrouble(loaded.files.certificate, error);
    }
    return loaded.context;
  }

  #load(files: CertificateFiles): Loaded {
    const { minVersion, sessionTickets } = this.#settings;
    const stamp = stampOf(files);
    const cert = readFileSync(files.certificate);
    const context = createSecureContext({
      cert,
      key: readFileSync(files.key),
      minVersion,
      secureOptions: sessionTickets ? 0 : constants.SSL_OP_NO_TICKET,
    });
    // The first in the file is our own; those that vouch for it follow.
    const endsMs = new X509Certificate(cert).validToDate.getTime();
    return { files, context, endsMs, stamp, lookedMs: this.#nowMs() };
  }
}

// Renewals replace a file or write it anew: either moves inode, size or time.
function stampOf(files: CertificateFiles): string {
  return [files.certificate, files.key]
    .map((path) => statSync(path))
    .map(({ ino, size, mtimeMs }) => `${ino}:${size}:${mtimeMs}`)
    .join(' ');
}
