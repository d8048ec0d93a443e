/** A certificate for mx.example.org, made by openssl when a test needs one. */
import { join } from 'node:path';
import { runProgram, type Cleanup } from './program.ts';

/** The table `tls` for the gate's file. */
export async function selfSigned(cleanup: Cleanup, openssl: string, dir: string): Promise<string> {
  const key = join(dir, 'mx.key');
  const certificate = join(dir, 'mx.pem');
  const made = await runProgram(cleanup, openssl, [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
    ...[
      '-subj',
      '/CN=mx.example.org',
      '-addext',
      'subjectAltName=DNS:mx.example.org',
      '-keyout',
      key,
      '-out',
      certificate,
    ],
  ]);
  if (made.exit !== 0) throw new Error(`openssl: ${made.output}`);
  return `[tls]\ncertificate = ${JSON.stringify(certificate)}\nkey = ${JSON.stringify(key)}\n`;
}
