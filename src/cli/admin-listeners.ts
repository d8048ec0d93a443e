import type { Log } from '../adapters/log.ts';
import { openReportPage, type ReportPage } from '../admin/report-page/page.ts';
import { openDashboard, type DashboardServer } from '../admin/server.ts';
import type { AdminWorld } from '../admin/world.ts';
import type { AdminConfig } from '../config/admin.ts';
import { inPlainWords } from './plain-words.ts';
import { REPORT_PAGE } from './admin-messages.ts';

type Voice = Pick<Log, 'listening' | 'closed'>;

/** The dashboard and the report page: opened, moved and closed as the configuration says; all else of it they read as it is at the moment. */
export class AdminListeners {
  readonly #world: AdminWorld;
  readonly #voice: Voice;
  readonly #webFolder: string;
  #dashboard: (Open & { readonly server: DashboardServer }) | undefined;
  #page: (Open & { readonly server: ReportPage }) | undefined;

  constructor(world: AdminWorld, voice: Voice, webFolder: string) {
    this.#world = world;
    this.#voice = voice;
    this.#webFolder = webFolder;
  }

  get dashboard() {
    return this.#dashboard?.at;
  }

  get reportPage() {
    return this.#page?.at;
  }

  async follow({ dashboard, reportPage }: AdminConfig): Promise<void> {
    const where = dashboard === undefined ? undefined : JSON.stringify(dashboard.listen);
    if (this.#dashboard?.of !== where) await this.#closeDashboard();
    if (dashboard !== undefined && where !== undefined && this.#dashboard === undefined) {
      const server = await openDashboard(this.#world, { webFolder: this.#webFolder });
      try {
        const { address: host, port } = await opened('[admin] listen', server.listen(dashboard.listen));
        this.#dashboard = { of: where, at: { host, port }, server };
      } catch (error) {
        await server.close();
        throw error;
      }
      this.#voice.listening('dashboard', this.#dashboard.at.host, this.#dashboard.at.port);
    }
    const page = reportPage === undefined ? undefined : JSON.stringify(reportPage.listen);
    if (this.#page?.of !== page) await this.#closePage();
    if (reportPage !== undefined && page !== undefined && this.#page === undefined) {
      const server = await opened('[report_page] listen', openReportPage(this.#world, reportPage));
      this.#page = { of: page, at: server.address, server };
      this.#voice.listening(REPORT_PAGE, server.address.host, server.address.port);
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#dashboard?.server.close(), this.#page?.server.close()]);
  }

  async #closeDashboard(): Promise<void> {
    const open = this.#dashboard;
    if (open === undefined) return;
    this.#dashboard = undefined;
    await open.server.close();
    this.#voice.closed('dashboard', open.at.host, open.at.port);
  }

  async #closePage(): Promise<void> {
    const open = this.#page;
    if (open === undefined) return;
    this.#page = undefined;
    await open.server.close();
    this.#voice.closed(REPORT_PAGE, open.at.host, open.at.port);
  }
}

/** Which setting to change, of an address that cannot be had. */
async function opened<T>(setting: string, opening: Promise<T>): Promise<T> {
  try {
    return await opening;
  } catch (error) {
    throw new Error(inPlainWords(error, undefined, setting), { cause: error });
  }
}

interface Open {
  /** Where it was told to listen. */
  readonly of: string;
  readonly at: { readonly host: string; readonly port: number };
}
