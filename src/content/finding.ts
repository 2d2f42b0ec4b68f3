import type { ConfigFile } from '../config/file/schema.ts';

export type PiiKind = ConfigFile['content']['pii'][number]['kind'];

/** A place in a text: from `start` up to, not with, `end`. */
export interface Finding {
  kind: PiiKind;
  start: number;
  end: number;
}

export const isDigit = (char: string | undefined): boolean =>
  char !== undefined && char >= '0' && char <= '9';

const WORD = /[\p{L}\p{N}_]/u;

/** A letter or a digit of any script: what stands beside a word is no end of it. */
export const isWordAt = (text: string, at: number): boolean => {
  const char = text.charAt(at);
  // Half of a character outside of the basic plane: taken for a letter, so nothing is found beside it.
  return char !== '' && (WORD.test(char) || /[\uD800-\uDFFF]/.test(char));
};
