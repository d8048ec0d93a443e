import { isAbsolute, join, sep } from 'node:path';
import type { Mailbox } from '../../mail/mailbox.ts';

/** A Maildir folder and what of it must be there already for the mailbox to exist; absent where it may be made. */
export interface MaildirPlace {
  readonly folder: string;
  readonly mustExist?: string;
}

// What stands in for a placeholder comes from the sender. Only names that are one plain component of a path get through.
const USER = /^[a-z0-9_][a-z0-9_.=#&'~^!$-]{0,63}$/;
const DOMAIN = /^[a-z0-9_][a-z0-9_.-]{0,254}$/;
const PLACEHOLDER = /\{(?:user|domain)\}/;

/**
 * The Maildir of a recipient by a template with or without `{user}` (the local part in lower case, without what
 * follows a `+`) and `{domain}`; undefined where the recipient's name can be none of a folder.
 */
export function maildirPlace(template: string, recipient: Mailbox): MaildirPlace | undefined {
  const user = recipient.local.toLowerCase().replace(/\+.*$/s, '');
  const { domain } = recipient;
  if (template.includes('{user}') && !USER.test(user)) return undefined;
  if (template.includes('{domain}') && !DOMAIN.test(domain)) return undefined;
  const components = template.split(sep);
  const last = components.findLastIndex((component) => PLACEHOLDER.test(component));
  const filled = components.map((component) =>
    component.replaceAll('{user}', () => user).replaceAll('{domain}', () => domain),
  );
  const folder = filled.join(sep);
  return last === -1 ? { folder } : { folder, mustExist: filled.slice(0, last + 1).join(sep) };
}

export function hasPlaceholder(template: string): boolean {
  return PLACEHOLDER.test(template);
}

/** The part of the template before its first placeholder: what has to be there for any mailbox to be. */
export function fixedFolder(template: string): string {
  const components = template.split(sep);
  const first = components.findIndex((component) => PLACEHOLDER.test(component));
  const fixed = (first === -1 ? components : components.slice(0, first)).join(sep);
  return fixed === '' ? (isAbsolute(template) ? sep : '.') : join(fixed);
}
