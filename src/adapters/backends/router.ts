import type { Backend } from '../../core/delivery.ts';
import type { Mailbox } from '../../mail/mailbox.ts';

export interface Route {
  /** Lower-case; a leading dot takes all names below. */
  readonly domains: readonly string[];
  readonly backend: Backend;
}

export interface Router {
  /** The backend of a recipient: its domain's own route, else the nearest `.domain` above it, else the default. Throws where there is none. */
  backendFor(recipient: Mailbox): Backend;
  /** Each backend once, the default first. */
  readonly backends: readonly Backend[];
}

export function createRouter(byDefault: Backend | undefined, routes: readonly Route[] = []): Router {
  const byDomain = new Map<string, Backend>();
  for (const { domains, backend } of routes) {
    // The first route that names a domain has it, as one reads the file.
    for (const domain of domains) if (!byDomain.has(domain)) byDomain.set(domain, backend);
  }
  const backendFor = ({ domain }: Mailbox): Backend => {
    const own = byDomain.get(domain);
    if (own !== undefined) return own;
    for (let dot = domain.indexOf('.'); dot !== -1; dot = domain.indexOf('.', dot + 1)) {
      const above = byDomain.get(domain.slice(dot));
      if (above !== undefined) return above;
    }
    // The configuration has one wherever a gateway listens.
    if (byDefault === undefined) throw new Error(`no backend takes mail for ${domain}`);
    return byDefault;
  };
  const all = [...(byDefault === undefined ? [] : [byDefault]), ...routes.map(({ backend }) => backend)];
  return { backendFor, backends: [...new Set(all)] };
}
