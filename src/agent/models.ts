import type { BaseChatModel } from '@langchain/core/language_models/chat_models';
import { initChatModel } from 'langchain';
import type { ProviderEntry } from '../config/file/schema.ts';
import { expand } from '../config/file/template.ts';
import {
  BUILT_IN_PROVIDERS,
  isBuiltInProvider,
  MODEL_PARAMETERS,
  providerOf,
} from '../config/file/vocabulary.ts';
import type { JsonObject } from '../lib/json.ts';
import { AgentError } from './agent-error.ts';

/** A model that a run may use. */
export interface ResolvedModel {
  model: BaseChatModel;
  /** Ends of its answers always carry a reason; one without was cut off. */
  requiresFinish: boolean;
}

/** A provider of the configuration file, as it was when somebody named it. Its key is a reference. */
export type NamedProvider = ProviderEntry & { name: string };

export interface Models {
  /** Rejects with a sentence for the operator if `name` can't work here: called before the process serves. */
  check(name: string, provider?: NamedProvider): Promise<void>;
  /** `provider` comes before the one that has the name now. */
  resolve(name: string, parameters: JsonObject, provider?: NamedProvider): Promise<ResolvedModel>;
}

export interface ModelsDeps {
  /** Provider keys and base URLs under the providers' own names, e.g. `OPENAI_API_KEY`, and what the file refers to. */
  env: Readonly<Record<string, string | undefined>>;
  /** Of the configuration file, at this moment; none where not given. */
  providers?: () => Readonly<Record<string, ProviderEntry>>;
  demo: () => BaseChatModel;
}

interface Settings {
  type: ProviderEntry['type'];
  settings: JsonObject;
}

type Env = ModelsDeps['env'];

function settingsOf(entry: {
  type: ProviderEntry['type'];
  key: string;
  baseUrl: string;
}): Settings {
  const { type, key, baseUrl } = entry;
  if (type === 'anthropic') {
    return { type, settings: { apiKey: key, ...(baseUrl ? { anthropicApiUrl: baseUrl } : {}) } };
  }
  const configuration = baseUrl ? { configuration: { baseURL: baseUrl } } : {};
  // A local server wants no key, its client insists on one.
  return { type, settings: { apiKey: key || 'none', ...configuration } };
}

/** Providers whose packages are installed. Anything that speaks OpenAI's protocol is one of type `openai`. */
function builtIn(model: string, provider: keyof typeof BUILT_IN_PROVIDERS, env: Env): Settings {
  const names = BUILT_IN_PROVIDERS[provider];
  const key = env[names.key] ?? '';
  const baseUrl = env[names.baseUrl] ?? '';
  if (!key && !(provider === 'openai' && baseUrl)) {
    throw new Error(`The model '${model}' needs ${names.key} in the environment.`);
  }
  return settingsOf({ type: names.type, key, baseUrl });
}

/** Models by name: `demo`, or `provider:model` through LangChain's `initChatModel`. */
export function createModels({ env, providers = () => ({}), demo }: ModelsDeps): Models {
  function settingsFor(name: string, own: NamedProvider | undefined): Settings {
    const provider = providerOf(name) ?? '';
    const all = providers();
    const entry = own?.name === provider ? own : Object.hasOwn(all, provider) && all[provider];
    if (entry) {
      const { type, baseUrl = '', apiKey = '' } = entry;
      return settingsOf({ type, key: expand(apiKey, env), baseUrl });
    }
    if (isBuiltInProvider(provider) && name.length > provider.length + 1) {
      return builtIn(name, provider, env);
    }
    const known = [...new Set([...Object.keys(BUILT_IN_PROVIDERS), ...Object.keys(all)])];
    throw new Error(
      `Unknown model '${name}'. Use demo, or provider:model with one of: ${known.join(', ')}.`,
    );
  }

  async function resolve(
    name: string,
    parameters: JsonObject,
    provider?: NamedProvider,
  ): Promise<ResolvedModel> {
    if (name === 'demo') return { model: demo(), requiresFinish: true };
    const { type, settings } = settingsFor(name, provider);
    const chosen = Object.entries(parameters).filter(([key]) =>
      MODEL_PARAMETERS.some((known) => known === key),
    );
    // Retries are ours: only before the first token, and with the provider's own waiting time.
    const fields = { ...Object.fromEntries(chosen), ...settings, maxRetries: 0 };
    const model = name.slice(name.indexOf(':') + 1);
    const lazy = await initChatModel(model, { ...fields, modelProvider: type });
    /* oxlint-disable-next-line no-underscore-dangle -- the only way to the provider's own model */
    const resolved = await lazy._getModelInstance();
    return { model: resolved, requiresFinish: type === 'openai' };
  }
  return {
    resolve,
    async check(name, provider) {
      try {
        await resolve(name, {}, provider);
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message : String(cause);
        throw new AgentError(reason, { cause });
      }
    },
  };
}
