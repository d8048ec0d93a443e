import type { FastifyInstance } from 'fastify';
import { gateNow } from '../live.ts';
import { route } from '../route.ts';
import { settings } from '../schemas.ts';
import type { AdminWorld } from '../world.ts';

export function settingsRoutes(app: FastifyInstance, world: AdminWorld): void {
  route(
    app,
    {
      method: 'GET',
      url: '/api/settings',
      summary: 'The configuration in force, and where each value comes from',
      answer: settings,
    },
    async () => ({ ...(await world.settings()), gatePolicy: gateNow(world).gate?.policy }),
  );
}
