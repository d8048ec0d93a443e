/** The tables for the people who run the gate: dashboard, public report page, queue watch, who is told of what. */
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { count, duration } from '../core/settings.ts';
import { networkSet, type NetworkSet } from '../mail/networks.ts';
import type { FileSettings } from './schema.ts';
import {
  headerName,
  mailAddress,
  network,
  path,
  socketAddress,
  timeOfDay,
  webAddress,
  type SocketAddress,
} from './values.ts';

const admin = z.strictObject({
  listen: socketAddress.prefault('127.0.0.1:8025').meta({
    description: 'Where the dashboard listens. Beyond loopback put a web server with TLS before it.',
    default: '127.0.0.1:8025',
  }),
  url: webAddress.optional().meta({
    description: 'How people reach it, for links in mails, and as the one origin that forms may come from.',
    example: 'https://gate.example.org',
  }),
  users_file: path.optional().meta({
    description:
      'Lines of `user:$scrypt$…`, as `postern admin set-password` writes them. By default `admin-users` in `data_dir`.',
  }),
  session_time: duration('12h', '5m', '30d', 'A login lasts this long.'),
  user_header: headerName.optional().meta({
    description: 'A header in which a web server before it says who has logged in there.',
    example: 'X-Remote-User',
  }),
  user_header_from: z.array(network).default([]).meta({
    description: 'Web servers that are believed `user_header`, and whose X-Forwarded-For is.',
    example: '["127.0.0.1"]',
  }),
  metrics_from: z.array(network).default(['127.0.0.0/8', '::1']).meta({
    description: 'Who may read `/metrics` without a login: Prometheus.',
  }),
});

// It ends a reply line, which has 512 octets (RFC 5321 4.5.3.1.5).
const REPORT_URL = 'wants at most 200 characters and no "?": refusals name it with "/r/" and an id behind it';

const reportPage = z.strictObject({
  listen: socketAddress.prefault('127.0.0.1:8026').meta({
    description: 'Where the public page listens. It serves nothing but `/r/ID`.',
    default: '127.0.0.1:8026',
  }),
  url: webAddress
    .refine((url) => url.length <= 200 && !url.includes('?'), REPORT_URL)
    .meta({
      description: 'How the world reaches it: refusals name `URL/r/ID`.',
      example: 'https://mx.example.org',
    }),
  proxies: z.array(network).default([]).meta({
    description: 'Web servers before it, whose X-Forwarded-For is believed.',
    example: '["127.0.0.1"]',
  }),
  reports_per_hour: count(5, 1, 1000, 'Reports taken from one client network, and of refusals of one.'),
  reports_per_hour_in_all: count(200, 1, 100_000, 'Reports taken from all together.'),
});

const alert = z.strictObject({
  above: count(500, 1, 10_000_000, 'Messages in the queue.'),
  for: duration('10m', '0s', '7d', 'So long without a break, before anybody is told.'),
  percentile: z.number().min(1).max(100).optional().meta({
    description: 'In place of `for` without a break: this percentile of the samples of that time is above.',
    bounds: '1 to 100',
  }),
  clear_below: count(0, 0, 10_000_000, 'Over when it is below this. 0: four fifths of `above`.'),
});

const queueWatch = z.strictObject({
  from: z.enum(['postfix', 'exim', 'sendmail', 'command']).meta({
    description: 'Whose queue: asks `postqueue -j`, `exim -bpc` and `-bp`, `mailq`, or a command of yours.',
  }),
  command: z.array(z.string().min(1)).min(1).max(50).optional().meta({
    description: 'Program and arguments in place of the usual ones. Of `command`: prints one number.',
    example: '["/usr/sbin/postqueue", "-c", "/etc/postfix-out", "-j"]',
  }),
  every: duration('1m', '1s', '1h', 'Between two looks.'),
  alert: z.array(alert).max(20).default([]).meta({ description: 'When somebody is told.' }),
});

const notify = z.strictObject({
  mail_to: z.array(mailAddress).max(20).default([]).meta({
    description: 'Mail addresses that alerts and the daily summary go to, through the backend.',
    example: '["postmaster@example.org"]',
  }),
  mail_from: mailAddress.optional().meta({ description: 'Their sender. By default postern@ the host name.' }),
  webhook: webAddress.optional().meta({
    description: 'Alerts are posted there as JSON.',
    example: 'https://chat.example.org/hooks/abc',
  }),
});

const dailySummary = z.strictObject({
  at: timeOfDay
    .prefault('07:00')
    .meta({ description: 'When it is sent, by the clock of this machine.', default: '07:00' }),
});

export const ADMIN_SHAPE = {
  admin: admin.optional().meta({ description: 'The dashboard. Without this table there is none.' }),
  report_page: reportPage.optional().meta({
    description:
      'A public page where refused senders report mistakes. Without this table refusals name `contact`.',
  }),
  queue_watch: queueWatch.optional().meta({ description: 'Samples the queue of the mail server behind.' }),
  notify: notify.prefault({}).meta({ description: 'Who is told of alerts, and gets the daily summary.' }),
  daily_summary: dailySummary
    .optional()
    .meta({ description: 'A mail a day: what was refused, what is open, what looks wrong.' }),
};

export interface AdminConfig {
  readonly dashboard?: DashboardConfig;
  readonly reportPage?: ReportPageConfig;
  readonly queueWatch?: QueueWatchConfig;
  readonly notify: NotifyConfig;
  readonly dailySummary?: { readonly atMinutes: number };
}

export interface DashboardConfig {
  readonly listen: SocketAddress;
  readonly url?: string;
  readonly usersFile: string;
  readonly sessionTimeMs: number;
  /** Lower-case. */
  readonly userHeader?: string;
  readonly userHeaderFrom: NetworkSet;
  readonly metricsFrom: NetworkSet;
}

export interface ReportPageConfig {
  readonly listen: SocketAddress;
  /** Without a slash at its end. */
  readonly url: string;
  readonly proxies: NetworkSet;
  readonly reportsPerHour: number;
  readonly reportsPerHourInAll: number;
}

export interface QueueWatchConfig {
  readonly from: 'postfix' | 'exim' | 'sendmail' | 'command';
  readonly command?: readonly string[];
  readonly everyMs: number;
  readonly alerts: readonly QueueAlertConfig[];
}

export interface QueueAlertConfig {
  readonly above: number;
  readonly forMs: number;
  readonly percentile?: number;
  readonly clearBelow: number;
}

export interface NotifyConfig {
  readonly mailTo: readonly string[];
  readonly mailFrom: string;
  readonly webhook?: string;
}

/** Whether anything of it wants a process of its own. */
export const wantsAdmin = ({ dashboard, reportPage, queueWatch, dailySummary }: AdminConfig): boolean =>
  [dashboard, reportPage, queueWatch, dailySummary].some((part) => part !== undefined);

export function adminOf(said: FileSettings, folder: string): AdminConfig {
  const {
    admin: dashboard,
    report_page: page,
    queue_watch: queue,
    daily_summary: daily,
    notify: told,
  } = said;
  return {
    ...(dashboard === undefined
      ? {}
      : {
          dashboard: {
            listen: dashboard.listen,
            ...(dashboard.url === undefined ? {} : { url: dashboard.url }),
            usersFile:
              dashboard.users_file === undefined
                ? join(resolve(folder, said.data_dir), 'admin-users')
                : resolve(folder, dashboard.users_file),
            sessionTimeMs: dashboard.session_time,
            ...(dashboard.user_header === undefined
              ? {}
              : { userHeader: dashboard.user_header.toLowerCase() }),
            userHeaderFrom: networkSet(dashboard.user_header_from),
            metricsFrom: networkSet(dashboard.metrics_from),
          },
        }),
    ...(page === undefined
      ? {}
      : {
          reportPage: {
            listen: page.listen,
            url: page.url,
            proxies: networkSet(page.proxies),
            reportsPerHour: page.reports_per_hour,
            reportsPerHourInAll: page.reports_per_hour_in_all,
          },
        }),
    ...(queue === undefined
      ? {}
      : {
          queueWatch: {
            from: queue.from,
            ...(queue.command === undefined ? {} : { command: queue.command }),
            everyMs: queue.every,
            alerts: queue.alert.map(({ above, for: forMs, percentile, clear_below: below }) => ({
              above,
              forMs,
              ...(percentile === undefined ? {} : { percentile }),
              clearBelow: below === 0 ? Math.ceil(above * 0.8) : below,
            })),
          },
        }),
    notify: {
      mailTo: told.mail_to,
      mailFrom: told.mail_from ?? `postern@${said.host_name}`,
      ...(told.webhook === undefined ? {} : { webhook: told.webhook }),
    },
    ...(daily === undefined ? {} : { dailySummary: { atMinutes: daily.at } }),
  };
}
