import type { FastifyInstance, FastifyReply } from 'fastify';
import { cookieName, type Access, type User } from '../access.ts';
import type { Me } from '../api.ts';
import { route, userOf } from '../route.ts';
import { done, loginRequest, me } from '../schemas.ts';
import type { AdminWorld } from '../world.ts';

export function sessionRoutes(app: FastifyInstance, world: AdminWorld, access: Access): void {
  const meOf = ({ name, csrf }: User): Me => ({
    user: name,
    csrf,
    hostName: world.config().site.hostName,
    takesReports: world.config().admin.reportPage !== undefined,
    version: world.version,
  });
  const setCookie = (reply: FastifyReply, secure: boolean, token: string, lastsMs: number) =>
    reply.setCookie(cookieName(secure), token, {
      httpOnly: true,
      sameSite: 'strict',
      path: '/',
      secure,
      maxAge: Math.floor(lastsMs / 1000),
    });

  route(app, { method: 'GET', url: '/api/me', summary: 'Who is logged in', answer: me }, ({ request }) =>
    meOf(userOf(request)),
  );

  route(
    app,
    {
      method: 'POST',
      url: '/api/login',
      summary: 'Logs in; the session is a cookie',
      body: loginRequest,
      answer: me,
      isOpen: true,
    },
    async ({ request, reply, body }) => {
      const { token, user, lastsMs } = await access.login(request.raw, body);
      // Another login of the same browser: its old session is nobody's any more.
      if (request.user !== undefined) access.logout(request.user);
      setCookie(reply, access.isSecure(request.raw), token, lastsMs);
      return meOf(user);
    },
  );

  route(
    app,
    { method: 'POST', url: '/api/logout', summary: 'Ends the session', answer: done },
    ({ request, reply }) => {
      access.logout(userOf(request));
      setCookie(reply, access.isSecure(request.raw), '', 0);
      return { text: 'Logged out' };
    },
  );
}
