import { createContext, Script } from 'node:vm';
import { Ajv, type ErrorObject, type Options, type ValidateFunction } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { JsonObject } from '../lib/json.ts';

/** Checks arguments by a JSON Schema that nobody here wrote, so both may be hostile. */

/** Why these arguments are refused, as a sentence for the model; undefined if they are not. */
export type ArgsCheck = (args: unknown) => string | undefined;

/** Regular expressions and references can be made to take for ever; V8 stops whatever takes longer. Milliseconds. */
const COMPILE_WITHIN = 1_000;
const CHECK_WITHIN = 100;
const MOST_FAULTS = 5;

const OPTIONS: Options = {
  strict: false,
  // Formats mean nothing to the tool's arguments that its server would not check itself.
  validateFormats: false,
  allErrors: true,
  logger: false,
  addUsedSchema: false,
  inlineRefs: false,
};

const room = createContext({ task: (): unknown => undefined });
const script = new Script('task()');

/** What `task` gives. Throws what it throws, or that it took too long. */
function within<T extends boolean | ValidateFunction>(ms: number, task: () => T): T {
  const made: T[] = [];
  room['task'] = (): void => {
    made.push(task());
  };
  try {
    script.runInContext(room, { timeout: ms });
  } finally {
    room['task'] = undefined;
  }
  const [value] = made;
  if (value === undefined) throw new Error('It gave nothing.');
  return value;
}

/** Without `loadSchema` a reference to elsewhere is an error: nothing is fetched. */
function compile({ $schema, ...schema }: JsonObject): ValidateFunction {
  const isOld = typeof $schema === 'string' && $schema.includes('draft-0');
  // What was stopped in the middle of compiling is of no further use, so each schema has its own.
  const [first, second] = isOld ? [Ajv, Ajv2020] : [Ajv2020, Ajv];
  try {
    return new first(OPTIONS).compile(schema);
  } catch {
    // Servers rarely say which draft they mean: what the other one does not understand either is an error.
    return new second(OPTIONS).compile(schema);
  }
}

function fault({ instancePath, message = 'is not valid', params }: ErrorObject): string {
  const at = instancePath.slice(1).replaceAll('/', '.');
  const extra: unknown = params['additionalProperty'];
  const named = typeof extra === 'string' ? `${message} (${extra.slice(0, 100)})` : message;
  return at === '' ? named : `${at}: ${named}`;
}

function sentence(name: string, errors: readonly ErrorObject[]): string {
  const said = errors.slice(0, MOST_FAULTS).map(fault);
  return `The arguments of ${name} are not valid: ${said.join('; ')}.`.slice(0, 2_000);
}

/**
 * The check for a tool's arguments, compiled when it is first asked. A schema that can't be compiled, or whose check
 * does not end, is told to `unusable` once and not enforced: the tool's own server has the last word anyway.
 */
export function argsCheck(
  name: string,
  schema: JsonObject,
  unusable: (error: unknown) => void,
): ArgsCheck {
  let validate: ValidateFunction | undefined;
  let given = false;
  const giveUp = (error: unknown): undefined => {
    given = true;
    validate = undefined;
    unusable(error);
  };
  return (args) => {
    if (given) return undefined;
    try {
      const check = (validate ??= within(COMPILE_WITHIN, () => compile(schema)));
      if (within(CHECK_WITHIN, () => check(args))) return undefined;
      return sentence(name, check.errors ?? []);
    } catch (error) {
      return giveUp(error);
    }
  };
}
