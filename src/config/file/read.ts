import { pathText, type FileFault, type Path } from './fault.ts';
import { referenceFaults } from './references.ts';
import { fileSchema, type ConfigFile } from './schema.ts';
import { parsePlainly } from './sentences.ts';
import type { Surroundings } from './surroundings.ts';
import { readYaml } from './yaml.ts';

/** Bytes. */
export const MAX_FILE_BYTES = 1_000_000;
/** Enough to mend; a file with more is another kind of file. */
const MAX_FAULTS = 200;

export type ReadFile = { file: ConfigFile } | { faults: string[] };

interface Located extends FileFault {
  line: number;
}

function report(name: string, faults: readonly Located[]): ReadFile {
  const lines = faults
    .toSorted((a, b) => a.line - b.line)
    .map(({ line, path, text }) => {
      const place = path.length === 0 ? '' : `${pathText(path)}: `;
      return `${name}:${line}: ${place}${text}`;
    });
  const all = [...new Set(lines)];
  const more = all.length - MAX_FAULTS;
  return { faults: more > 0 ? [...all.slice(0, MAX_FAULTS), `${name}: ${more} more`] : all };
}

/** A copy without what stands at the path, or without the list that has it: places in a list must not move. */
function without(value: unknown, path: Path): unknown {
  const [step, ...rest] = path;
  if (step === undefined || typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    const items: readonly unknown[] = value;
    return items.map((item, index) => (index === step ? without(item, rest) : item));
  }
  const drop = rest.every((next) => typeof next === 'number');
  const kept = Object.entries(value).filter(([key]) => !(drop && key === step));
  return Object.fromEntries(
    kept.map(([key, member]) => [key, key === step ? without(member, rest) : member]),
  );
}

/** What can still be checked where parts of the file are not well formed: the rest, if it is whole without them. */
function restOf(value: unknown, faults: readonly FileFault[]): ConfigFile | undefined {
  const rest = faults.reduce((kept, { path }) => without(kept, path), value);
  const read = fileSchema.safeParse(rest);
  return read.success ? read.data : undefined;
}

function startsWith(path: Path, start: Path): boolean {
  return start.every((step, index) => path[index] === step);
}

/** Reads the text of a configuration file. Every fault comes at once, as `<name>:<line>: <path>: <sentence>`. */
export function readConfigText(text: string, of: Surroundings & { name: string }): ReadFile {
  const { name } = of;
  if (Buffer.byteLength(text) > MAX_FILE_BYTES) {
    return report(name, [{ line: 1, path: [], text: 'is larger than 1 MB' }]);
  }
  const yaml = readYaml(text);
  if ('faults' in yaml)
    return report(
      name,
      yaml.faults.map((fault) => ({ ...fault, path: [] })),
    );
  const at = (fault: FileFault): Located => ({ ...fault, line: yaml.lineOf(fault.path) });
  const value = yaml.value ?? {};
  const parsed = parsePlainly(fileSchema, value);
  if ('value' in parsed) {
    const faults = referenceFaults(parsed.value, of);
    return faults.length > 0 ? report(name, faults.map(at)) : { file: parsed.value };
  }
  const rest = restOf(value, parsed.faults);
  // What was taken out to go on leaves holes in its section; what they cause is no fault of the file.
  const holes = parsed.faults.map(({ path }) => path.slice(0, 2));
  const others = rest ? referenceFaults(rest, of) : [];
  const told = others.filter(({ path }) => !holes.some((hole) => startsWith(path, hole)));
  return report(name, [...parsed.faults, ...told].map(at));
}
