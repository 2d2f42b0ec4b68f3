import { modelPattern } from './mcp-names.ts';

/** Anchored globs over tool names: `*` is any run of characters, everything else is itself; `mcp:a:b*` is `mcp__a__b*`. */
export function matchesGlob(pattern: string, name: string): boolean {
  return matchesPlainGlob(modelPattern(pattern), name);
}

/** The same over names of any kind. */
export function matchesPlainGlob(pattern: string, name: string): boolean {
  const parts = pattern.split('*');
  const [first = ''] = parts;
  if (parts.length === 1) return pattern === name;
  const last = parts.at(-1) ?? '';
  if (!name.startsWith(first)) return false;
  let at = first.length;
  for (const part of parts.slice(1, -1)) {
    const found = name.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return name.length - last.length >= at && name.endsWith(last);
}

export function matchesAny(patterns: readonly string[], name: string): boolean {
  return patterns.some((pattern) => matchesGlob(pattern, name));
}
