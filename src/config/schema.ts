import { z } from 'zod';
import { count, duration, flag, size } from '../core/settings.ts';
import { ADMIN_SHAPE } from './admin.ts';
import { PROFILES } from './profile.ts';
import {
  backendUrl,
  dnsServer,
  domain,
  groupName,
  hostName,
  hostPattern,
  listenAddress,
  mailPattern,
  network,
  path,
  permissions,
} from './values.ts';

/**
 * Everything `postern.toml` may say, the checks' own settings aside (`checks.ts` adds those). A key that is not here is
 * an error. Names stand as the operator writes them; `settle.ts` turns them into `Config`.
 */
const listen = z.strictObject({
  door: z.enum(['gateway', 'milter', 'policy']).default('gateway').meta({
    description:
      'The protocol spoken here: `gateway` is SMTP, before the mail server; `milter` is for Postfix and Sendmail, `policy` for Postfix and Exim, which hold the dialogue themselves and ask.',
  }),
  address: listenAddress.meta({
    description:
      'Where to listen. `[::]:25` takes IPv6, port 0 any free port. A milter or a policy service may listen on `unix:PATH` as well.',
    example: '0.0.0.0:25',
  }),
  mode: permissions.optional().meta({
    description: 'Permissions of the Unix socket: connecting takes the right to write. By default `0660`.',
  }),
  group: groupName
    .optional()
    .meta({ description: 'The group of the Unix socket: that of the mail server.', example: 'postfix' }),
  role: z.enum(['honeypot']).optional().meta({
    description:
      'Of a gateway: what it is there for, if not to take mail. `honeypot` stands behind a very high-numbered MX, defers everybody and remembers who came (see the check `honeypot`).',
  }),
  proxy_protocol_from: z.array(network).default([]).meta({
    description:
      'Of a gateway: networks whose connections begin with a PROXY header; nobody else is believed one.',
  }),
  tls: z.enum(['none', 'starttls', 'implicit']).optional().meta({
    description:
      'Of a gateway: how TLS begins. By default `starttls` where there is a certificate, else `none`.',
  }),
});

const tls = z.strictObject({
  certificate: path.meta({
    description: 'Certificate chain, PEM. Read again when the file changes.',
    example: '/etc/postern/mx.pem',
  }),
  key: path.meta({ description: 'Its private key, PEM.', example: '/etc/postern/mx.key' }),
  sni: z
    .array(
      z.strictObject({
        names: z
          .array(domain)
          .min(1)
          .meta({ description: 'Server names that get this certificate.', example: '["mx2.example.org"]' }),
        certificate: path.meta({ description: 'Certificate chain, PEM.', example: '/etc/postern/mx2.pem' }),
        key: path.meta({ description: 'Its private key, PEM.', example: '/etc/postern/mx2.key' }),
      }),
    )
    .default([])
    .meta({ description: 'Other certificates by the name the client asks for.' }),
  session_tickets: flag(true, 'Lets clients resume TLS sessions by ticket.'),
  min_version: z
    .enum(['TLSv1.2', 'TLSv1.3'])
    .default('TLSv1.2')
    .meta({ description: 'The oldest version of TLS spoken.' }),
});

const backendShape = {
  url: backendUrl.meta({ description: 'Where accepted mail goes.' }),
  tls: z
    .enum(['none', 'opportunistic', 'required', 'verify'])
    .default('opportunistic')
    .meta({ description: 'STARTTLS towards the backend; `verify` also wants a certificate that holds.' }),
  xclient: flag(false, 'Tells a backend that offers XCLIENT who the client is.'),
  max_connections: count(20, 1, 1000, 'Connections to the backend at one time.'),
  connect_timeout: duration('10s', '1s', '5m', 'Waiting for the connection and the greeting.'),
  command_timeout: duration('5m', '1s', '30m', 'Waiting for the reply to a command (RFC 5321 4.5.3.2).'),
  data_timeout: duration('10m', '10s', '30m', 'Waiting for the reply to the final dot (RFC 5321 4.5.3.2.6).'),
  idle_timeout: duration('30s', '1s', '10m', 'An unused connection is kept this long for the next message.'),
};

const backend = z.strictObject(backendShape);

const route = z.strictObject({
  domains: z
    .array(domain)
    .min(1)
    .meta({ description: 'Recipient domains that go to this backend.', example: '["lists.example.org"]' }),
  ...backendShape,
});

const dns = z.strictObject({
  servers: z
    .array(dnsServer)
    .max(16)
    .default([])
    .meta({ description: "Resolvers to ask; empty: the system's. A resolver on this machine is best." }),
  timeout: duration('5s', '100ms', '30s', 'For one question, all tries together.'),
  cache_entries: count(20_000, 0, 1_000_000, 'Answers kept in memory.'),
});

const limits = z.strictObject({
  message_size: size('50MiB', '64KiB', '1GiB', 'The largest message taken, announced as SIZE (RFC 1870).'),
  header_size: size('256KiB', '4KiB', '16MiB', 'The largest header of a message.'),
  recipients: count(100, 1, 10_000, 'Recipients of one message; RFC 5321 4.5.3.1.8 wants at least 100.'),
  transactions: count(100, 1, 10_000, 'Messages on one connection.'),
  errors: count(
    10,
    1,
    1000,
    'Wrong commands before the connection is ended: unknown, malformed, out of order. What a check refuses is none.',
  ),
  commands: count(1000, 10, 1_000_000, 'Commands on one connection.'),
  connections: count(10_000, 1, 100_000, 'Connections at one time.'),
  connections_per_client: count(50, 1, 100_000, 'Connections at one time from one client network.'),
  connections_per_minute: count(120, 1, 100_000, 'New connections a minute from one client network.'),
  client_prefix_v4: count(32, 8, 32, 'Addresses that share this many leading bits are one client network.'),
  client_prefix_v6: count(64, 32, 128, 'The same for IPv6.'),
  reserved_for_good: count(
    10,
    0,
    90,
    'Per cent of `connections` kept for our own networks and for clients in good standing.',
  ),
  greeting_timeout: duration('30s', '1s', '10m', 'Waiting for a PROXY header or the TLS handshake.'),
  command_timeout: duration('5m', '1s', '1h', 'Waiting for the next command (RFC 5321 4.5.3.2.7).'),
  data_timeout: duration('3m', '1s', '1h', 'Waiting for the next block of a message (RFC 5321 4.5.3.2.5).'),
  session_time: duration('1h', '1m', '1d', 'The longest a connection may last in all.'),
  stress_at: count(
    80,
    1,
    100,
    'Per cent of `connections` in use from which the `stress_timeout` holds and bad clients are turned away.',
  ),
  stress_timeout: duration(
    '10s',
    '1s',
    '5m',
    'In place of `command_timeout` and `data_timeout` under stress.',
  ),
  spool_memory: size('1MiB', '0B', '64MiB', 'A message is held in memory up to this size, then in a file.'),
  memory: size(
    '256MiB',
    '16MiB',
    '64GiB',
    'All messages in memory together; beyond it they go to files at once.',
  ),
  drain_timeout: duration('30s', '0s', '10m', 'At a stop: time for messages that are being taken.'),
});

const mark = (byDefault: number, max: number, sentence: string) =>
  z
    .number()
    .min(0)
    .max(max)
    .default(byDefault)
    .meta({ description: sentence, bounds: `0 to ${max}` });

const load = z.strictObject({
  defer_at_load_average: mark(8, 10_000, "The machine's load average of the last minute, for each core."),
  refuse_at_load_average: mark(16, 10_000, 'The same.'),
  defer_at_event_loop_delay: duration(
    '200ms',
    '0ms',
    '1m',
    'How late this process comes to its work, on average over a second.',
  ),
  refuse_at_event_loop_delay: duration('1s', '0ms', '1m', 'The same.'),
  memory_limit: size(
    '0B',
    '0B',
    '1024GiB',
    'What this process may use; `0B`: what its control group or the machine has.',
  ),
  defer_at_memory: mark(80, 100, 'Per cent of `memory_limit` in use.'),
  refuse_at_memory: mark(90, 100, 'The same.'),
  defer_at_sessions: mark(95, 100, 'Per cent of the `connections` in `[limits]` in use.'),
  refuse_at_sessions: mark(0, 100, 'The same. The limit itself refuses whoever is one too many.'),
});

const emergency = z.strictObject({
  turn_away: count(
    0,
    0,
    100,
    'Per cent of the connections from unknown clients that are turned away at the door with 421; of those in bad standing half as many get in. 0 switches it off.',
  ),
});

const listed = z
  .strictObject({
    client: network.optional().meta({ description: 'Address or network of the client.' }),
    host: hostPattern.optional().meta({ description: 'Forward-confirmed host name of the client.' }),
    sender: mailPattern
      .optional()
      .meta({ description: 'Reverse-path: address, domain, `.domain`, or `<>`.' }),
    recipient: mailPattern.optional().meta({ description: 'Forward-path: address, domain or `.domain`.' }),
    lifts: z.array(z.string()).optional().meta({
      description:
        'Names of the checks that an allow entry lifts; without it, all that can be lifted. By sender or recipient it then still has the message looked at, and tagged.',
    }),
    reason: z.string().max(200).optional().meta({ description: 'Shown in the journal and to the refused.' }),
  })
  .refine((e) => [e.client, e.host, e.sender, e.recipient].some((part) => part !== undefined), {
    message: 'wants at least one of client, host, sender, recipient',
  });

const lenient = z.strictObject({
  clients: z.array(network).min(1).meta({ description: 'Whom it is granted.', example: '["192.0.2.7"]' }),
  envelope: flag(false, 'Paths without angle brackets and the like are understood.'),
  pipelining: flag(false, 'Commands may come before the reply to the last one.'),
});

const listFiles = (sentence: string) => z.array(path).max(100).default([]).meta({ description: sentence });

/** What the schema of the whole file is made of; `checks.ts` puts `checks` beside it. */
export const FILE_SHAPE = {
  host_name: hostName.meta({ description: 'The name this gate greets with and writes into headers.' }),
  domains: z.array(domain).min(1).max(100_000).meta({
    description: 'What we accept mail for. A leading dot takes all names below.',
    example: '["example.org"]',
  }),
  networks: z.array(network).default([]).meta({
    description: 'Ours: never filtered, may relay. Not even loopback is ours unless it stands here.',
    example: '["10.0.0.0/8"]',
  }),
  relays: z.array(network).default([]).meta({
    description: 'Hosts we serve as relay and our secondary MXs: never filtered or delayed, may not relay.',
  }),
  data_dir: path
    .prefault('/var/lib/postern')
    .meta({ description: 'Journal, store and spool live here.', default: '/var/lib/postern' }),
  contact: mailPattern
    .optional()
    .meta({ description: 'Whom a refused sender may write to. By default postmaster at the first domain.' }),
  profile: z.enum(PROFILES).optional().meta({
    description:
      '`strict` refuses all that reverse DNS, HELO and the MX of the sender have against a client; `watch` refuses nothing and writes down what would have been. See "Profiles".',
  }),
  refuse_at_suspicion: z
    .number()
    .min(0.1)
    .max(10_000)
    .default(10)
    .meta({ description: 'The sum of weights from which a message is refused.', bounds: '0.1 to 10000' }),
  refuse_at: z.enum(['earliest', 'rcpt']).optional().meta({
    description:
      'When verdicts on connection and HELO are given, for all checks that do not say so themselves.',
  }),
  checks_timeout: duration(
    '20s',
    '1s',
    '2m',
    'The budget of one stage: what has no answer by then is a temporary error.',
  ),
  recipient_timeout: duration(
    '30s',
    '1s',
    '2m',
    "The backend's own time for its answer to a recipient, after all that was asked before; later is a temporary error.",
  ),
  message_checks_timeout: duration(
    '2m',
    '1s',
    '9m',
    'The same at the end of the message, where clients wait ten minutes (RFC 5321 4.5.3.2.6).',
  ),
  block_files: listFiles('Lists of addresses, networks and host names to block, one a line.'),
  allow_files: listFiles('The same, to allow.'),
  list_host_files: listFiles('The same, for mailing-list hosts: never refused, only tagged.'),
  recipient_files: listFiles(
    'Lists of recipients that exist, one address or domain a line (see the check `recipient-list`).',
  ),
  signature_files: listFiles('Files of rules by signature, one a line (see the check `attachments`).'),
  listen: z.array(listen).min(1).max(100).meta({ description: 'One table a listener.' }),
  tls: tls.optional().meta({ description: 'Certificates. Without this table TLS is not offered.' }),
  backend: backend.optional().meta({
    description:
      'Where accepted mail goes. Needed where a gateway listens; elsewhere the mail server delivers.',
  }),
  route: z.array(route).default([]).meta({ description: 'Other backends, by recipient domain.' }),
  dns: dns.prefault({}).meta({ description: 'How DNS is asked.' }),
  limits: limits.prefault({}).meta({ description: 'What one client, or all of them, may use up.' }),
  load: load.prefault({}).meta({
    description:
      'At `defer_at` new mail is deferred, at `refuse_at` connections are refused; clients in good standing go on as long as they are few. 0 switches a mark off.',
  }),
  emergency: emergency.prefault({}).meta({
    description: 'For a flood: our own networks and clients in good standing pass, of the others a share.',
  }),
  greet_pause: z
    .strictObject({
      delay: duration(
        '3s',
        '0s',
        '1m',
        'The banner waits this long for unknown clients; `0s` switches it off.',
      ),
    })
    .prefault({})
    .meta({ description: 'A client that speaks before the banner is an early talker.' }),
  auth: z
    .strictObject({
      users_file: path.meta({
        description: 'Lines of `user:$scrypt$…`. Those who authenticate may relay.',
        example: '/etc/postern/users',
      }),
    })
    .optional()
    .meta({ description: 'AUTH is offered over TLS only, and only with this table.' }),
  lenient: z.array(lenient).default([]).meta({
    description: 'Known broken clients. Line ends are never lenient: that would be SMTP smuggling.',
  }),
  allow: z
    .array(listed)
    .default([])
    .meta({ description: 'What is let in. All that an entry names must match.' }),
  block: z
    .array(listed)
    .default([])
    .meta({ description: 'What is refused. All that an entry names must match.' }),
  list_host: z
    .array(listed)
    .default([])
    .meta({ description: 'Mailing-list hosts: never refused, only tagged.' }),
  log: z
    .strictObject({
      format: z
        .enum(['auto', 'json', 'text'])
        .default('auto')
        .meta({ description: 'One line a decision. `auto`: text on a terminal, else JSON.' }),
    })
    .prefault({})
    .meta({ description: 'What the program writes to its standard output.' }),
  journal: z
    .strictObject({
      kept: duration('90d', '1h', '3650d', 'How long decisions are kept.'),
      size: size(
        '4GiB',
        '16MiB',
        '100000GiB',
        'About how much disk they may take. Beyond it the oldest go: first connections that asked for nothing, as floods are made of.',
      ),
    })
    .prefault({})
    .meta({ description: 'Every decision with its evidence; no message bodies.' }),
  ...ADMIN_SHAPE,
};

export const fileSchema = z.strictObject(FILE_SHAPE);
export type FileSettings = z.output<typeof fileSchema>;
export type BackendSettings = z.output<typeof backend>;
