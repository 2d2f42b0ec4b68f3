import type { z } from 'zod';
import { AppError } from '../errors.ts';

const MAX_ISSUES = 10;
const MAX_NAME = 100;

function clip(text: string): string {
  return text.length > MAX_NAME ? `${text.slice(0, MAX_NAME)}…` : text;
}

interface Complaint {
  path: string;
  message: string;
}

function complaints(issue: z.core.$ZodIssue): Complaint[] {
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys
      .slice(0, MAX_ISSUES)
      .map((key) => ({ path: clip([...path, key].join('.')), message: 'Unknown key' }));
  }
  return [{ path: clip(path.join('.')), message: clip(issue.message) }];
}

/** `value` as `schema` has it, or INVALID_REQUEST that names the keys at fault, never their values. */
export function validate<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.flatMap(complaints).slice(0, MAX_ISSUES);
  const [first = { path: '', message: 'Invalid input' }] = issues;
  const where = first.path === '' ? 'the request' : `"${first.path}"`;
  throw new AppError('INVALID_REQUEST', `${first.message}: ${where}.`, {
    details: { issues: issues.map(({ path, message }) => ({ path, message })) },
  });
}
