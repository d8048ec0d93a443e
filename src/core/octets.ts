/** `1023 B`, `1.5 KiB`: a number of octets as people read it. */
export function formatOctets(octets: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let n = octets;
  let unit = 0;
  for (; n >= 1024 && unit < units.length - 1; unit++) n /= 1024;
  return `${unit === 0 ? Math.round(n) : n.toFixed(1)} ${units[unit] ?? ''}`;
}
