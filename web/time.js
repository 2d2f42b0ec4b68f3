/** Times as people say them. Pure. */

/** @param {string} large @param {number} rest @param {string} unit */
const both = (large, rest, unit) => (rest === 0 ? large : `${large} ${rest} ${unit}`);

/** How long until something, in its two largest units. @param {number} ms */
export function duration(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1_000));
  const [days, hours, minutes] = [86_400, 3_600, 60].map((unit) => Math.floor(seconds / unit));
  if (days) return both(`${days} d`, (hours ?? 0) % 24, 'h');
  if (hours) return both(`${hours} h`, (minutes ?? 0) % 60, 'min');
  if (minutes) return both(`${minutes} min`, seconds % 60, 's');
  return `${seconds} s`;
}

/** @param {string | undefined} iso */
export function clockTime(iso) {
  const at = iso === undefined ? Number.NaN : Date.parse(iso);
  if (Number.isNaN(at)) return '';
  return new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
}
