// oxlint-disable-next-line no-control-regex -- NUL is what it looks for
const NOT_PLAIN = /^"|\u0000|[\uD800-\uDFFF]/u;

/**
 * A string from outside as a key of a database. Many end text at a NUL somewhere, and UTF-8 has no lone surrogates: two
 * such ids could meet. They are kept as JSON, which escapes both; so is what looks like JSON already.
 */
export function keyText(value: string): string {
  return NOT_PLAIN.test(value) ? JSON.stringify(value) : value;
}

/** The string that a key was made of. */
export function textOfKey(key: string): string {
  const text: unknown = key.startsWith('"') ? JSON.parse(key) : key;
  return String(text);
}
