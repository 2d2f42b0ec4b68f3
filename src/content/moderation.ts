import { z } from 'zod';
import type { ConfigFile } from '../config/file/schema.ts';
import type { LiveFile } from '../config/file/live.ts';
import type { Log } from '../lib/log.ts';
import type { Moderation } from './content-guard.ts';
import { unchecked } from './hooks.ts';

/** An OpenAI-compatible `/moderations`. */

/** Texts of one call. */
const BATCH = 32;
const MAX_ANSWER_BYTES = 1_000_000;
const DEFAULT_URL = 'https://api.openai.com/v1';

type Settings = NonNullable<ConfigFile['content']['moderation']>;

const answerSchema = z.object({
  results: z.array(
    z.object({ flagged: z.boolean(), categories: z.record(z.string(), z.unknown()).default({}) }),
  ),
});

export interface ModerationDeps {
  file: LiveFile;
  /** Keys and base URLs under the providers' own names. */
  providers: Readonly<Record<string, string>>;
  fetch: typeof fetch;
  log: Log;
}

interface Endpoint {
  url: string;
  apiKey: string | undefined;
}

function categoriesOf({ flagged, categories }: z.infer<typeof answerSchema>['results'][number]) {
  if (!flagged) return [];
  const named = Object.keys(categories).filter((name) => categories[name] === true);
  return named.length > 0 ? named : ['flagged'];
}

async function textOf(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > MAX_ANSWER_BYTES) throw new Error('the answer of the moderation is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Asks the provider that the file names. */
export function createModeration({ file, providers, fetch, log }: ModerationDeps): Moderation {
  function endpoint(name: string): Endpoint {
    const { baseUrl, apiKey } = file.current.providers[name] ?? {
      baseUrl: providers['OPENAI_BASE_URL'],
      apiKey: providers['OPENAI_API_KEY'],
    };
    return { url: `${(baseUrl ?? DEFAULT_URL).replace(/\/+$/, '')}/moderations`, apiKey };
  }

  async function ask(input: readonly string[], settings: Settings): Promise<string[][]> {
    const { provider, model, timeout } = settings;
    const { url, apiKey } = endpoint(provider);
    const response = await fetch(url, {
      method: 'POST',
      redirect: 'error',
      signal: AbortSignal.timeout(timeout),
      headers: {
        'content-type': 'application/json',
        ...(apiKey && { authorization: `Bearer ${apiKey}` }),
      },
      body: JSON.stringify({ model, input }),
    });
    const text = await textOf(response);
    if (!response.ok) throw new Error(`the moderation answered ${response.status}`);
    const { results } = answerSchema.parse(JSON.parse(text));
    if (results.length !== input.length) throw new Error('the moderation left texts out');
    return results.map(categoriesOf);
  }

  return {
    async flagged(texts) {
      const settings = file.current.content.moderation;
      if (!settings) return texts.map(() => []);
      const flagged: string[][] = [];
      try {
        for (let at = 0; at < texts.length; at += BATCH) {
          flagged.push(...(await ask(texts.slice(at, at + BATCH), settings)));
        }
        return flagged;
      } catch (error) {
        log.warn({ err: error }, 'the moderation can not be asked');
        if (settings.onError === 'refuse') throw unchecked(error);
        return texts.map(() => []);
      }
    },
  };
}
