import type { BackendConfig, Config } from './config.ts';
import type { KeyPath } from './locate.ts';

/** All that mail can go to, with the key under which each stands; the default first. */
export function backendsOf({ backend, routes }: Config): [KeyPath, BackendConfig][] {
  const byDefault: [KeyPath, BackendConfig][] = backend === undefined ? [] : [[['backend', 'url'], backend]];
  return [
    ...byDefault,
    ...routes.map((route, i): [KeyPath, BackendConfig] => [['route', i, 'url'], route.backend]),
  ];
}
