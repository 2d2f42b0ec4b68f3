import type { Owner } from '../stream/owner.ts';

/** `${NAME}` of the environment, and whose turn it is, in the values of a server's entry. */

const PLACES = /\$\{(?<name>[A-Za-z_]\w*)\}|\{\{\s*user\.(?<field>id|tenant)\s*\}\}/g;
const USER = /\{\{\s*user\.(?:id|tenant)\s*\}\}/;

export function namesUser(values: Readonly<Record<string, string>>): boolean {
  return Object.values(values).some((value) => USER.test(value));
}

/** What can't stand in a header is written as in a URL, and so is `%`: two users never become one. */
function headerText(text: string): string {
  return text.replaceAll(/[^\x21-\x24\x26-\x7e]/gu, (char) => encodeURIComponent(char));
}

/** The values as they are sent. In one pass: what is put in is not looked at again. Throws where a name is not set. */
export function filled(
  values: Readonly<Record<string, string>>,
  from: { env: (name: string) => string | undefined; owner?: Owner },
): Record<string, string> {
  const put = (whole: string, name: string | undefined, field: string | undefined): string => {
    if (name !== undefined) {
      const value = from.env(name);
      if (value === undefined) throw new Error(`${name} is not set in the environment.`);
      return value;
    }
    if (!from.owner) return whole;
    return headerText(field === 'id' ? from.owner.userId : from.owner.tenantId);
  };
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [key, value.replaceAll(PLACES, put)]),
  );
}
