/** What the system says of a file or an address, in the operator's words and with what to do. */

/**
 * `named`: what it was about, where the error does not know. `setting`: that which says where to listen. Other errors speak for
 * themselves.
 */
export function inPlainWords(error: unknown, named?: string, setting = '[[listen]]'): string {
  if (!(error instanceof Error)) return String(error);
  if (!('code' in error) || typeof error.code !== 'string') return error.message;
  const { syscall, path, address, port } = error as NodeJS.ErrnoException & {
    readonly address?: string;
    readonly port?: number;
  };
  if (syscall === 'listen' || syscall === 'bind') {
    const why = LISTENING[error.code];
    if (why === undefined || address === undefined) return error.message;
    const host = address.includes(':') ? `[${address}]` : address;
    return `${host}${port === undefined ? '' : `:${port}`}: ${why.replace('[[listen]]', setting)}`;
  }
  const why = FILES[error.code];
  const about = named ?? path;
  return why === undefined || about === undefined ? error.message : `${about}: ${why}`;
}

const LISTENING: Readonly<Record<string, string>> = {
  EADDRINUSE:
    'another program listens there; stop it (ss -ltnp names it), or give [[listen]] another address or port',
  EACCES:
    'this user may not listen there; ports below 1024 want root or CAP_NET_BIND_SERVICE, as in deploy/postern.service',
  EADDRNOTAVAIL:
    'this machine has no such address; ip addr lists those it has, 0.0.0.0 and [::] stand for all of them',
  EAFNOSUPPORT: 'this machine does not speak that version of IP; take the [[listen]] out',
};

const FILES: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder',
  ENOTDIR: 'what stands before the last / is no folder',
  EISDIR: 'it is a folder, not a file',
  EACCES: 'this user may not use it; look at its owner and mode, and at those of the folders above',
  EPERM: 'this user may not use it; look at its owner and mode, and at those of the folders above',
  EROFS: 'the disk is read-only',
  ENOSPC: 'the disk is full',
  EMFILE: 'too many files are open; raise the limit (ulimit -n, LimitNOFILE)',
};
