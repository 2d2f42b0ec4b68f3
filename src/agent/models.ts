import type { BaseChatModel } from '@langchain/core/language_models/chat_models';
import { initChatModel } from 'langchain';
import type { JsonObject } from '../lib/json.ts';

/** A model that a run may use. */
export interface ResolvedModel {
  model: BaseChatModel;
  /** Ends of its answers always carry a reason; one without was cut off. */
  requiresFinish: boolean;
}

export interface Models {
  /** Rejects with a sentence for the operator if `name` can't work here: called before the process serves. */
  check(name: string): Promise<void>;
  resolve(name: string, parameters: JsonObject): Promise<ResolvedModel>;
}

export interface ModelsDeps {
  /** Provider keys and base URLs under the providers' own names, e.g. `OPENAI_API_KEY`. */
  env: Readonly<Record<string, string | undefined>>;
  demo: () => BaseChatModel;
}

type Env = ModelsDeps['env'];

/** Providers whose packages are installed. Anything that speaks OpenAI's protocol is `openai` with a base URL. */
const PROVIDERS: Record<string, (env: Env) => { missing?: string; settings: JsonObject }> = {
  openai({ OPENAI_API_KEY: key, OPENAI_BASE_URL: baseURL }) {
    if (!key && !baseURL) return { missing: 'OPENAI_API_KEY', settings: {} };
    const configuration = baseURL ? { configuration: { baseURL } } : {};
    // A local server wants no key, its client insists on one.
    return { settings: { apiKey: key ?? 'none', ...configuration } };
  },
  anthropic({ ANTHROPIC_API_KEY: key, ANTHROPIC_BASE_URL: baseURL }) {
    if (!key) return { missing: 'ANTHROPIC_API_KEY', settings: {} };
    return { settings: { apiKey: key, ...(baseURL ? { anthropicApiUrl: baseURL } : {}) } };
  },
};

/** Parameters that an agent's definition may set. */
const PARAMETERS = ['temperature', 'topP', 'maxTokens', 'reasoning', 'reasoningEffort', 'thinking'];

function settingsFor(name: string, env: Env): { provider: string; settings: JsonObject } {
  const colon = name.indexOf(':');
  const provider = name.slice(0, colon);
  const make = colon > 0 ? PROVIDERS[provider] : undefined;
  if (!make || colon === name.length - 1) {
    const known = Object.keys(PROVIDERS).join(', ');
    throw new Error(`Unknown model '${name}'. Use demo, or provider:model with one of: ${known}.`);
  }
  const { missing, settings } = make(env);
  if (missing) throw new Error(`The model '${name}' needs ${missing} in the environment.`);
  return { provider, settings };
}

/** Models by name: `demo`, or `provider:model` through LangChain's `initChatModel`. */
export function createModels({ env, demo }: ModelsDeps): Models {
  async function resolve(name: string, parameters: JsonObject): Promise<ResolvedModel> {
    if (name === 'demo') return { model: demo(), requiresFinish: true };
    const { provider, settings } = settingsFor(name, env);
    const chosen = Object.entries(parameters).filter(([key]) => PARAMETERS.includes(key));
    // Retries are ours: only before the first token, and with the provider's own waiting time.
    const fields = { ...Object.fromEntries(chosen), ...settings, maxRetries: 0 };
    const lazy = await initChatModel(name, fields);
    /* oxlint-disable-next-line no-underscore-dangle -- the only way to the provider's own model */
    const model = await lazy._getModelInstance();
    return { model, requiresFinish: provider === 'openai' };
  }
  return {
    resolve,
    async check(name) {
      await resolve(name, {});
    },
  };
}
