import { z } from 'zod';
import type { FileFault } from './fault.ts';
import { hint } from './suggest.ts';

/** What zod finds, as sentences for whoever wrote the file. Values are never quoted: a secret may be among them. */

const KINDS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map',
  record: 'a map',
};

function kindOf(value: unknown): string {
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  return KINDS[typeof value] ?? 'that';
}

function bound(issue: z.core.$ZodRawIssue, word: 'least' | 'most', limit: unknown): string {
  if (issue.code !== 'too_small' && issue.code !== 'too_big') return '';
  const { origin, inclusive } = issue;
  if (origin === 'string') {
    return limit === 1 ? 'must not be empty' : `must have at ${word} ${String(limit)} characters`;
  }
  if (origin === 'array') {
    return limit === 1 ? 'must not be empty' : `must have at ${word} ${String(limit)} entries`;
  }
  const less = word === 'least' ? 'more than' : 'less than';
  return inclusive === false
    ? `must be ${less} ${String(limit)}`
    : `must be at ${word} ${String(limit)}`;
}

function typeText({ expected, input }: { expected: string; input?: unknown }): string {
  if (input === undefined) return 'is missing';
  return `must be ${KINDS[expected] ?? expected}, not ${kindOf(input)}`;
}

function keysText({ inst }: { inst?: unknown }): string {
  return inst instanceof z.ZodObject ? Object.keys(inst.shape).join(' ') : '';
}

function choiceText({ values, input }: { values: readonly unknown[]; input?: unknown }): string {
  return input === undefined ? 'is missing' : `must be ${values.map(String).join(' or ')}`;
}

/** Told with the issue itself; the keys that there are come as its message, since only here they are known. */
function sentence(issue: z.core.$ZodRawIssue): string {
  if (issue.code === 'unrecognized_keys') return keysText(issue);
  if (issue.code === 'invalid_type') return typeText(issue);
  if (issue.code === 'invalid_value') return choiceText(issue);
  if (issue.code === 'too_small') return bound(issue, 'least', issue.minimum);
  if (issue.code === 'too_big') return bound(issue, 'most', issue.maximum);
  const form = issue.code === 'invalid_format' ? issue.pattern : undefined;
  return form === undefined ? 'is not well formed' : `must have the form ${form}`;
}

/** Of a value that may be one of several things: what is wrong with the one that was meant. */
function ofUnion(issue: z.core.$ZodIssueInvalidUnion, path: PropertyKey[]): FileFault[] {
  const { errors, discriminator } = issue;
  const at = path.map(step);
  // The file has one such union: the transport of an MCP server.
  if (discriminator !== undefined) {
    return [{ path: at, text: 'must be stdio or http' }];
  }
  const meant = errors.find(
    ([first]) => first !== undefined && !(first.code === 'invalid_type' && first.path.length === 0),
  );
  if (meant) return meant.flatMap((inner) => faultsOf(inner, path));
  const kinds = errors.flatMap(([first]) =>
    first?.code === 'invalid_type' ? [KINDS[first.expected] ?? first.expected] : [],
  );
  return [{ path: at, text: `must be ${kinds.join(' or ')}` }];
}

function step(key: PropertyKey): string | number {
  return typeof key === 'number' ? key : String(key);
}

function faultsOf(issue: z.core.$ZodIssue, above: PropertyKey[]): FileFault[] {
  const path = [...above, ...issue.path];
  const at = path.map(step);
  if (issue.code === 'unrecognized_keys') {
    const known = issue.message.split(' ');
    return issue.keys.map((key) => {
      const name = key.slice(0, 60);
      return {
        path: [...at, key],
        text: `there is no '${name}' here${hint(name, known, 'there are')}`,
      };
    });
  }
  if (issue.code === 'invalid_union') return ofUnion(issue, path);
  if (issue.code === 'invalid_key') {
    return [{ path: at, text: `its name ${issue.issues[0]?.message ?? 'is not valid'}` }];
  }
  return [{ path: at, text: issue.message }];
}

/** As `safeParse`, with faults in plain words. */
export function parsePlainly<S extends z.ZodType>(
  schema: S,
  value: unknown,
): { value: z.output<S> } | { faults: FileFault[] } {
  const read = schema.safeParse(value, { error: sentence });
  if (read.success) return { value: read.data };
  return { faults: read.error.issues.flatMap((issue) => faultsOf(issue, [])) };
}
