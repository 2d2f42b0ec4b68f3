/** Microseconds of the machine's monotonic clock, which all processes share: what is stamped in one is read in another. */
export function micros() {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e6 + Math.floor(nanoseconds / 1e3);
}

/** The word of a token: as long with a stamp as it is in a real answer with its space. */
export const word = (n, stamped) => (stamped ? `@${micros()} ` : `word${n} `);
