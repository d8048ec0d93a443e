import { statSync } from 'node:fs';

/**
 * Where root is asked to work in somebody else's folder, it does so with the rights of that folder's owner: the owner may have put links
 * there, and may exchange files at any moment, so that root would read, write or give away another file than it meant. What is made
 * belongs to the owner at once. `work` must not wait for anything: the rights are those of the whole process.
 */
export function asOwnerOf<T>(folder: string, work: () => T): T {
  const { geteuid, getegid, getgroups, seteuid, setegid, setgroups } = process;
  // Where there are no users there is no root.
  if (!geteuid || !getegid || !getgroups || !seteuid || !setegid || !setgroups) return work();
  const { uid, gid } = statSync(folder);
  if (geteuid() !== 0 || uid === 0) return work();
  const ours = { group: getegid(), groups: getgroups() };
  try {
    setgroups([gid]);
    setegid(gid);
    seteuid(uid);
    return work();
  } finally {
    // First: only root may have back the rest.
    seteuid(0);
    setegid(ours.group);
    setgroups(ours.groups);
  }
}
