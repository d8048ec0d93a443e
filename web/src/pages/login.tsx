import { useState } from 'preact/hooks';
import type { Me } from '../../../src/admin/api.ts';
import { post, textOf } from '../api.ts';
import { Field, Trouble } from '../parts/basics.tsx';

export function Login({
  problem,
  onLogin,
}: {
  readonly problem: string;
  readonly onLogin: (me: Me) => void;
}) {
  const [user, setUser] = useState('admin');
  const [password, setPassword] = useState('');
  const [error, setError] = useState(problem);
  const [isWorking, setWorking] = useState(false);
  const submit = (event: Event) => {
    event.preventDefault();
    setWorking(true);
    setError('');
    post<Me>('/api/login', { user, password }).then(onLogin, (e: unknown) => {
      setWorking(false);
      setPassword('');
      setError(textOf(e));
    });
  };
  return (
    <main class="login">
      <form class="card" onSubmit={submit}>
        <h1>
          <img src="/icon.svg" alt="" width="32" height="32" /> Postern
        </h1>
        <Field label="User">
          <input
            name="user"
            autocomplete="username"
            autofocus
            required
            maxLength={100}
            value={user}
            onInput={(e) => setUser(e.currentTarget.value)}
          />
        </Field>
        <Field label="Password">
          <input
            name="password"
            type="password"
            autocomplete="current-password"
            required
            maxLength={1000}
            value={password}
            onInput={(e) => setPassword(e.currentTarget.value)}
          />
        </Field>
        <Trouble text={error} />
        <button class="primary" type="submit" disabled={isWorking}>
          Log in
        </button>
        <small>
          The password is set on the machine: <code>postern admin set-password</code>
        </small>
      </form>
    </main>
  );
}
