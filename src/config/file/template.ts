/** Texts of the configuration file with `{{user.id}}` for what differs from turn to turn, and `${NAME}` for the environment. */

type Piece = { text: string } | { variable: string };

/** `{{{{` is a literal `{{`; a `{{` that begins nothing is told from the others by its own branch. */
const BRACES = /\{\{\{\{|\{\{\s*([A-Za-z][\w.]*)\s*\}\}|\{\{/g;

function piecesOf(text: string): Piece[] {
  const pieces: Piece[] = [];
  let from = 0;
  for (const found of text.matchAll(BRACES)) {
    const [whole, variable] = found;
    if (found.index > from) pieces.push({ text: text.slice(from, found.index) });
    pieces.push(variable === undefined ? { text: '{{' } : { variable });
    from = found.index + whole.length;
  }
  if (from < text.length) pieces.push({ text: text.slice(from) });
  return pieces;
}

/** Names of the variables, in their order, each once. */
export function variablesOf(text: string): string[] {
  const names = piecesOf(text).flatMap((piece) => ('variable' in piece ? [piece.variable] : []));
  return [...new Set(names)];
}

/** True where a `{{` begins neither a variable nor, doubled, itself. */
export function hasStrayBraces(text: string): boolean {
  return [...text.matchAll(BRACES)].some(([whole]) => whole === '{{');
}

/** Puts the values in. A variable without a value stays as it is written: the reader of the file refused it before. */
export function fillIn(text: string, values: ReadonlyMap<string, string>): string {
  return piecesOf(text)
    .map((piece) =>
      'text' in piece ? piece.text : (values.get(piece.variable) ?? `{{${piece.variable}}}`),
    )
    .join('');
}

const REFERENCE = /\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g;

/** Environment names that the text refers to, each once. */
export function environmentNames(text: string): string[] {
  return [...new Set([...text.matchAll(REFERENCE)].map(([, name = '']) => name))];
}

/** True where a `${` begins no reference. */
export function hasStrayReference(text: string): boolean {
  return text.replaceAll(REFERENCE, '').includes('${');
}

/** Puts the environment in; a name that is not set gives nothing: the reader of the file refused it before. */
export function expand(text: string, env: Readonly<Record<string, string | undefined>>): string {
  return text.replaceAll(REFERENCE, (_whole, name: string) => env[name]?.trim() ?? '');
}
