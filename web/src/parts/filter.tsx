import { address } from '../api.ts';
import { go } from '../route.ts';
import { Field, said } from './basics.tsx';

/** One field whose text stands in the address. */
export function Filter({
  label,
  path,
  name,
  query,
}: {
  readonly label: string;
  readonly path: string;
  readonly name: string;
  readonly query: Readonly<Record<string, string>>;
}) {
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    go(address(path, { ...query, [name]: said(form, name) }));
  };
  return (
    <form class="filter" role="search" onSubmit={submit}>
      <Field label={label}>
        <input
          key={query[name] ?? ''}
          type="search"
          name={name}
          maxLength={320}
          defaultValue={query[name] ?? ''}
        />
      </Field>
      <button type="submit">Search</button>
    </form>
  );
}
