import type { Settings } from '../../../src/admin/api.ts';
import { get } from '../api.ts';
import { useLoad } from '../load.ts';
import { Card, Shown } from '../parts/basics.tsx';

/** Names of settings stand between backticks. */
function Words({ text }: { readonly text: string }) {
  return <>{text.split('`').map((part, i) => (i % 2 === 1 ? <code>{part}</code> : part))}</>;
}

export function SettingsPage() {
  const settings = useLoad('settings', (signal) => get<Settings>('/api/settings', {}, signal));
  return (
    <Shown of={settings}>
      {({ file, text, policy, gatePolicy, warnings, checks }) => {
        const idle = checks.filter((c) => c.state === 'cannot run');
        return (
          <>
            <Card>
              <dl class="facts">
                <dt>File</dt>
                <dd>
                  <code>{file}</code>
                </dd>
                <dt>Policy</dt>
                <dd>
                  <code>{policy}</code>{' '}
                  {gatePolicy === undefined
                    ? '(the gate does not run)'
                    : gatePolicy === policy
                      ? 'in force'
                      : `; the gate still has ${gatePolicy}: the file was changed, and SIGHUP has not been sent or was turned down`}
                </dd>
              </dl>
              {warnings.map((warning) => (
                <p class="attention">⚠ {warning}</p>
              ))}
            </Card>
            {idle.length === 0 ? null : (
              <Card title="On, but with nothing to go by">
                <ul>
                  {idle.map((c) => (
                    <li>
                      <b>{c.check}</b>: <Words text={c.why ?? ''} />
                    </li>
                  ))}
                </ul>
              </Card>
            )}
            <Card title="Checks" note="in the order in which they are asked">
              {checks.map((c) => (
                <details class="setting">
                  <summary>
                    <b>{c.check}</b> <span class={`state ${c.state.replace(' ', '-')}`}>{c.state}</span>{' '}
                    <small>
                      {c.cost}, at {c.stage}
                    </small>
                    <small class="under">{c.summary}</small>
                  </summary>
                  {c.why === undefined ? null : (
                    <p>
                      <Words text={c.why} />
                    </p>
                  )}
                  <div class="scroll">
                    <table>
                      <thead>
                        <tr>
                          <th scope="col">setting</th>
                          <th scope="col">value</th>
                          <th scope="col">from</th>
                        </tr>
                      </thead>
                      <tbody>
                        {c.settings.map(({ key, value, from }) => (
                          <tr>
                            <td>
                              <code>{key}</code>
                            </td>
                            <td>
                              <code>{value}</code>
                            </td>
                            <td>{from}</td>
                          </tr>
                        ))}
                      </tbody>
                    </table>
                  </div>
                </details>
              ))}
            </Card>
            <Card title="The file">
              <pre class="config">{text}</pre>
            </Card>
          </>
        );
      }}
    </Shown>
  );
}
