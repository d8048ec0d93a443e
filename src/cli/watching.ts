/** The queue watch and the daily summary, wired: the real queue, the real backends. */
import { openBackend } from '../adapters/backends/open.ts';
import { createRouter, type Router } from '../adapters/backends/router.ts';
import { notifier, type NotifyPorts } from '../adapters/notify/notify.ts';
import { sampleQueue } from '../adapters/queue/sample.ts';
import { startWatch, type Notify, type Watch, type WatchWorld } from '../admin/watch/watch.ts';
import type { BackendConfig, Config } from '../config/config.ts';

export interface Watching extends Watch {
  readonly notify: Notify;
}

export function startWatching(world: WatchWorld): Watching {
  const teller = openTeller(world);
  const watch = startWatch(world, {
    sample: (from, signal) => sampleQueue(from, signal, { nowMs: world.nowMs }),
    notify: teller.notify,
  });
  return {
    alerts: () => watch.alerts(),
    firing: () => watch.firing(),
    notify: teller.notify,
    close: async () => {
      await watch.close();
      await teller.close();
    },
  };
}

export interface Teller {
  readonly notify: Notify;
  close(): Promise<void>;
}

/** Who is told, through the backends of the configuration in force. */
export function openTeller(
  { config, trouble }: Pick<WatchWorld, 'config' | 'trouble'>,
  options: Pick<NotifyPorts, 'givenUpAfterMs'> = {},
): Teller {
  let routed: { readonly config: Config; readonly router: Router } | undefined;
  const closing = new Set<Promise<void>>();
  const letGo = (router: Router): void => {
    const closed = Promise.all(router.backends.map((backend) => backend.close()))
      .then(() => undefined)
      .catch((error: unknown) => trouble('closing a backend', error))
      .finally(() => closing.delete(closed));
    closing.add(closed);
  };
  const routerNow = (): Router => {
    const now = config();
    if (routed?.config === now) return routed.router;
    if (routed !== undefined) letGo(routed.router);
    routed = { config: now, router: routerOf(now, trouble) };
    return routed.router;
  };
  return {
    notify: notifier({
      settings: () => {
        const { admin, site, backend } = config();
        return {
          hostName: site.hostName,
          ...admin.notify,
          // Without a default one a recipient has a backend by its own route alone.
          backendFor: (recipient) => {
            const router = routerNow();
            try {
              return router.backendFor(recipient);
            } catch (error) {
              if (backend === undefined) return undefined;
              throw error;
            }
          },
        };
      },
      trouble,
      ...options,
    }),
    close: async () => {
      if (routed !== undefined) letGo(routed.router);
      await Promise.all(closing);
    },
  };
}

function routerOf(config: Config, trouble: WatchWorld['trouble']): Router {
  const open = ({ url, ...settings }: BackendConfig) =>
    openBackend(url, { ...settings, hostName: config.site.hostName }, trouble);
  return createRouter(
    config.backend === undefined ? undefined : open(config.backend),
    config.routes.map(({ domains, backend }) => ({ domains, backend: open(backend) })),
  );
}
