import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Me } from '../../src/admin/api.ts';
import { ApiError, get, post, remember, whenLoggedOut } from './api.ts';
import { Blocks } from './pages/blocks.tsx';
import { DecisionPage } from './pages/decision.tsx';
import { Decisions } from './pages/decisions.tsx';
import { EffectPage } from './pages/effect.tsx';
import { Greylist } from './pages/greylist.tsx';
import { ListsPage } from './pages/lists.tsx';
import { Login } from './pages/login.tsx';
import { NowPage } from './pages/now.tsx';
import { Queue } from './pages/queue.tsx';
import { Reports } from './pages/reports.tsx';
import { SettingsPage } from './pages/settings.tsx';
import { WhatIfPage } from './pages/what-if.tsx';
import { followLinks, usePlace, type Place } from './route.ts';

interface Page {
  readonly name: string;
  readonly title: string;
  readonly show: (place: Place, me: Me) => ComponentChildren;
}

const PAGES: readonly Page[] = [
  { name: '', title: 'Now', show: () => <NowPage /> },
  {
    name: 'decisions',
    title: 'Decisions',
    show: ({ path: [, id], query }) =>
      id === undefined ? <Decisions query={query} /> : <DecisionPage key={id} id={id} />,
  },
  {
    name: 'reports',
    title: 'Reports',
    show: ({ query }, { takesReports }) => <Reports query={query} takesReports={takesReports} />,
  },
  { name: 'lists', title: 'Lists', show: ({ query }) => <ListsPage query={query} /> },
  { name: 'greylist', title: 'Greylist', show: ({ query }) => <Greylist query={query} /> },
  { name: 'blocks', title: 'Block list', show: ({ query }) => <Blocks query={query} /> },
  { name: 'effect', title: 'Effect', show: ({ query }) => <EffectPage query={query} /> },
  { name: 'what-if', title: 'What if', show: () => <WhatIfPage /> },
  { name: 'queue', title: 'Queue', show: ({ query }) => <Queue query={query} /> },
  { name: 'settings', title: 'Settings', show: () => <SettingsPage /> },
];

export function App() {
  /** Undefined: not known yet; null: nobody. */
  const [me, setMe] = useState<Me | null | undefined>();
  const [problem, setProblem] = useState('');
  const place = usePlace();
  const page = PAGES.find(({ name }) => name === (place.path[0] ?? ''));
  useEffect(() => {
    whenLoggedOut(() => setMe(null));
    get<Me>('/api/me').then(
      (known) => setMe(remember(known)),
      (error: unknown) => {
        if (error instanceof ApiError && error.status !== 401) setProblem(error.message);
        setMe(null);
      },
    );
    document.addEventListener('click', followLinks);
    return () => document.removeEventListener('click', followLinks);
  }, []);
  const title = page?.title ?? 'Postern';
  useEffect(() => {
    document.title = me == null ? 'Postern' : `${title} – ${me.hostName}`;
  }, [title, me]);

  if (me === undefined) return <p class="wait">One moment…</p>;
  if (me === null) return <Login problem={problem} onLogin={(known) => setMe(remember(known))} />;
  const logOut = () => void post('/api/logout').finally(() => setMe(null));
  return (
    <div class="shell">
      <a class="skip" href="#main" target="_self">
        To the content
      </a>
      <nav aria-label="Pages">
        <div class="brand">
          <img src="/icon.svg" alt="" width="28" height="28" />
          <div>
            <b>Postern</b>
            <small>{me.hostName}</small>
          </div>
        </div>
        <ul>
          {PAGES.map(({ name, title: text }) => (
            <li>
              <a href={`/${name}`} aria-current={page?.name === name ? 'page' : undefined}>
                {text}
              </a>
            </li>
          ))}
        </ul>
        <div class="who">
          <small>
            {me.user} · {me.version}
          </small>
          <button type="button" class="quiet" onClick={logOut}>
            Log out
          </button>
        </div>
      </nav>
      <main id="main" tabIndex={-1}>
        <h1>{title}</h1>
        {page === undefined ? <p>There is no such page.</p> : page.show(place, me)}
      </main>
    </div>
  );
}
