/** Longest name that is kept, in UTF-8 bytes: what file systems take that somebody may save it to. */
const MAX_BYTES = 200;
const FALLBACK = 'file';

/** Control and formatting characters: line breaks, and those that turn the direction of text so that `exe.png` looks like `gnp.exe`. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}]/gu;
/** Separators of paths, and what Windows and shells read as something else. */
const UNSAFE = /[<>:"|?*]/g;

/** The longest beginning of `text` that has at most `max` bytes of UTF-8 and breaks no character. */
function clipped(text: string, max: number): string {
  let size = 0;
  let end = 0;
  for (const character of text) {
    size += Buffer.byteLength(character);
    if (size > max) break;
    end += character.length;
  }
  return text.slice(0, end);
}

function trimmed(text: string): string {
  return text.replaceAll(/^[. ]+|[. ]+$/g, '');
}

/** A name as it may be shown and saved: the last step of whatever path it was, without what can't be seen. Never empty. */
export function cleanName(given: string): string {
  const last = given.normalize('NFC').split(/[/\\]/).at(-1) ?? '';
  const seen = last.replaceAll(UNSEEN, '').replaceAll(UNSAFE, '_').replaceAll(/\s+/gu, ' ');
  // Neither hidden nor a step upwards, and no trailing dot, which Windows drops.
  const plain = trimmed(seen);
  if (plain === '') return FALLBACK;
  if (Buffer.byteLength(plain) <= MAX_BYTES) return plain;
  const ending = /\.[A-Za-z0-9]{1,10}$/.exec(plain)?.[0] ?? '';
  return trimmed(clipped(plain, MAX_BYTES - ending.length) + ending);
}
