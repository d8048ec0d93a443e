/** Whether what stands behind a gateway answers: EHLO, and XCLIENT where the file wants it. */
import { connect, type Target } from '../../adapters/backends/connection.ts';
import type { BackendConfig } from '../../config/config.ts';
import type { BackendUrl } from '../../config/values.ts';
import { quoted, tellingOf, type Told } from './told.ts';

const TIMEOUT_MS = 10_000;

export async function tellBackend(backend: BackendConfig, hostName: string): Promise<Told[]> {
  const told: Told[] = [];
  const tell = tellingOf(`backend ${formatUrl(backend.url)}`, told);
  const { url } = backend;
  if (url.kind === 'maildir') {
    tell('well', 'maildir', 'A folder: postern check-config looks at it.');
    return told;
  }
  const target: Target =
    url.kind === 'lmtp+unix'
      ? { protocol: 'lmtp', address: { path: url.path } }
      : { protocol: url.kind, address: { host: url.host, port: url.port } };
  const within = Math.min(TIMEOUT_MS, backend.connectTimeoutMs);
  const connection = await connect(
    target,
    { ...backend, hostName, connectTimeoutMs: within, commandTimeoutMs: within },
    AbortSignal.timeout(TIMEOUT_MS),
  );
  const verb = target.protocol === 'lmtp' ? 'LHLO' : 'EHLO';
  if ('kind' in connection) {
    tell(
      'wrong',
      'backend-unreachable',
      `Does not answer, so mail is deferred: ${quoted(connection.reason)}.`,
      'start the mail server, or mend the url in postern.toml',
    );
    return told;
  }
  const { xclient } = connection.offered;
  connection.quit();
  tell('well', 'backend-answers', `Answers ${verb}.`);
  if (backend.xclient && xclient === undefined)
    tell(
      'wrong',
      'xclient-missing',
      'xclient is true, but it does not offer XCLIENT to us: all mail seems to come from the gate.',
      "in Postfix's main.cf: smtpd_authorized_xclient_hosts = 127.0.0.1, or the address from which the gate comes",
    );
  else if (backend.xclient) tell('well', 'xclient', 'Offers XCLIENT: it is told who the client is.');
  else if (xclient !== undefined)
    tell(
      'note',
      'xclient-unused',
      'It offers XCLIENT and is not told who the client is.',
      'in postern.toml: xclient = true',
    );
  return told;
}

function formatUrl(url: BackendUrl): string {
  if ('path' in url) return `${url.kind}:${url.path}`;
  return `${url.kind}://${url.host.includes(':') ? `[${url.host}]` : url.host}:${url.port}`;
}
