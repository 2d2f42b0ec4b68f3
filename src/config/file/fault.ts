import { OperatorError } from '../../lib/operator-error.ts';

export type Path = readonly (string | number)[];

/** Something that is wrong with the file. `text` completes the sentence "<path>: …". */
export interface FileFault {
  path: Path;
  text: string;
}

/** `agents[1].tools[0]` */
export function pathText(path: Path): string {
  return path
    .map((step, index) => {
      if (typeof step === 'number') return `[${step}]`;
      if (!/^[\w-]+$/.test(step)) return `[${JSON.stringify(step.slice(0, 100))}]`;
      return index === 0 ? step : `.${step}`;
    })
    .join('');
}

/** Everything that is wrong with the configuration file, at once. */
export class ConfigFileError extends OperatorError {
  override name = 'ConfigFileError';
  /** Each with file, line and path. */
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    const count = faults.length === 1 ? '1 fault' : `${faults.length} faults`;
    super(`The configuration file has ${count}:\n${faults.map((line) => `  ${line}`).join('\n')}`);
    this.faults = faults;
  }
}
