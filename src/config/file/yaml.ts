import { isMap, isNode, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { Document, Pair } from 'yaml';
import type { Path } from './fault.ts';

/** An alias may stand for a policy that several agents share; many of many would be a bomb. */
const MAX_ALIASES = 100;

export interface YamlFault {
  line: number;
  text: string;
}

export interface YamlValue {
  value: unknown;
  /** Where the path is in the text, or the nearest thing above it that is there; from 1. */
  lineOf(path: Path): number;
}

/** The parser's words for what people do most, in ours. */
const SAID: Readonly<Record<string, string>> = {
  DUPLICATE_KEY: 'this key stands twice in one place',
  MULTIPLE_DOCS: 'the file must be one document: take out the ---',
  TAB_AS_INDENT: 'indent with spaces, not with tabs',
  RESOURCE_EXHAUSTION: 'it is nested too deeply',
};

function keyText(pair: Pair): string {
  return isScalar(pair.key) ? String(pair.key.value) : String(pair.key);
}

interface Found {
  node: unknown;
  /** Where it begins; of an entry of a map, where its key does. */
  offset: number | undefined;
}

/** One step further down; undefined: there is nothing. */
function below(node: unknown, step: string | number): Found | undefined {
  if (isMap(node)) {
    const pair = node.items.find((item) => keyText(item) === String(step));
    return pair && { node: pair.value, offset: isNode(pair.key) ? pair.key.range?.[0] : undefined };
  }
  const item: unknown = isSeq(node) ? node.items[Number(step)] : undefined;
  return isNode(item) ? { node: item, offset: item.range?.[0] } : undefined;
}

/** Offset of the last step of the path that exists. */
function offsetOf(document: Document.Parsed, path: Path): number {
  let at: Found = { node: document.contents, offset: document.contents?.range?.[0] };
  for (const step of path) {
    const next = below(at.node, step);
    if (!next) break;
    at = { node: next.node, offset: next.offset ?? at.offset };
  }
  return at.offset ?? 0;
}

/** Strict YAML 1.2 of one document: no duplicate keys, no tags of its own, no merge keys, few aliases. */
export function readYaml(text: string): YamlValue | { faults: YamlFault[] } {
  const lines = new LineCounter();
  const lineAt = (offset: number): number => Math.max(1, lines.linePos(offset).line);
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    schema: 'core',
    version: '1.2',
    merge: false,
    logLevel: 'error',
  });
  const said = [...document.errors, ...document.warnings];
  if (said.length > 0) {
    // After the first error that is about the form, the others are mostly its echo.
    const faults = said.slice(0, 10).map(({ code, message, pos: [offset] }) => {
      return { line: lineAt(offset), text: SAID[code] ?? message.slice(0, 300) };
    });
    return { faults };
  }
  try {
    const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES });
    return { value, lineOf: (path) => lineAt(offsetOf(document, path)) };
  } catch (error) {
    // ReferenceError: an alias without its anchor, or far too many of them. Its message has no values in it.
    const message = error instanceof Error ? error.message : 'it can not be read';
    return { faults: [{ line: 1, text: message.slice(0, 300) }] };
  }
}
