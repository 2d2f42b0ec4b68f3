import type { FileFault, Path } from './fault.ts';
import type { ConfigFile, ProviderEntry } from './schema.ts';
import { hint } from './suggest.ts';
import { isSet, type Surroundings } from './surroundings.ts';
import { BUILT_IN_PROVIDERS, isBuiltInProvider, providerOf } from './vocabulary.ts';

/** Models, and the providers behind them. */

/** Every place where a model is asked, with its name. */
function modelsAsked({ agents, routing }: ConfigFile): { model: string; path: Path }[] {
  const asked = agents.flatMap(({ model, title, context }, index) => [
    { model, path: ['agents', index, 'model'] },
    ...(title ? [{ model: title.model, path: ['agents', index, 'title', 'model'] }] : []),
    ...(context.model
      ? [{ model: context.model, path: ['agents', index, 'context', 'model'] }]
      : []),
  ]);
  return routing.model ? [...asked, { model: routing.model, path: ['routing', 'model'] }] : asked;
}

function lacksBuiltIn(name: keyof typeof BUILT_IN_PROVIDERS, { env }: Surroundings): boolean {
  const { key, baseUrl } = BUILT_IN_PROVIDERS[name];
  // Anthropic's API is never open; many servers that speak OpenAI's are.
  return !isSet(env, key) && (name === 'anthropic' || !isSet(env, baseUrl));
}

function modelFault(model: string, file: ConfigFile, world: Surroundings): string | undefined {
  const provider = providerOf(model);
  if (provider === undefined || Object.hasOwn(file.providers, provider)) return undefined;
  if (isBuiltInProvider(provider)) {
    const { key } = BUILT_IN_PROVIDERS[provider];
    if (!lacksBuiltIn(provider, world)) return undefined;
    return `'${model}' needs ${key} in the environment`;
  }
  const known = new Set([...Object.keys(file.providers), ...Object.keys(BUILT_IN_PROVIDERS)]);
  return `there is no provider '${provider}'${hint(provider, known, 'providers')}`;
}

function providerFaults([name, entry]: [string, ProviderEntry]): FileFault[] {
  const path = ['providers', name];
  if (name === 'demo') return [{ path, text: "'demo' is the scripted model; take another name" }];
  if (entry.type === 'anthropic' && entry.apiKey === undefined) {
    return [{ path, text: 'a provider of type anthropic needs an apiKey' }];
  }
  if (entry.apiKey !== undefined || entry.baseUrl !== undefined) return [];
  return [{ path, text: 'needs an apiKey, or the baseUrl of a server that asks for none' }];
}

function moderationFaults({ content, providers }: ConfigFile, world: Surroundings): FileFault[] {
  if (!content.moderation) return [];
  const { provider } = content.moderation;
  const path = ['content', 'moderation', 'provider'];
  const own = Object.hasOwn(providers, provider) ? providers[provider] : undefined;
  if (own) {
    const text = `'${provider}' is of type ${own.type}; moderation is asked of one of type openai`;
    return own.type === 'openai' ? [] : [{ path, text }];
  }
  if (provider !== 'openai') {
    const known = new Set([...Object.keys(providers), 'openai']);
    return [
      { path, text: `there is no provider '${provider}'${hint(provider, known, 'providers')}` },
    ];
  }
  const text = "'openai' needs OPENAI_API_KEY in the environment";
  return lacksBuiltIn('openai', world) ? [{ path, text }] : [];
}

function priceFaults({ prices, providers }: ConfigFile): FileFault[] {
  const known = new Set([...Object.keys(providers), ...Object.keys(BUILT_IN_PROVIDERS)]);
  return Object.keys(prices).flatMap((model) => {
    if (model === '*' || model === 'demo') return [];
    const path = ['prices', model];
    const provider = providerOf(model);
    if (provider === undefined) return [{ path, text: 'must be provider:model, demo or *' }];
    const text = `there is no provider '${provider}'${hint(provider, known, 'providers')}`;
    return known.has(provider) ? [] : [{ path, text }];
  });
}

/** What is spent can only be known of models with a price. */
function unpricedFaults(file: ConfigFile): FileFault[] {
  const { budget, prices } = file;
  if (budget.cost === undefined || Object.hasOwn(prices, '*')) return [];
  const models = new Set(modelsAsked(file).map(({ model }) => model));
  const without = [...models].filter((name) => name !== 'demo' && !Object.hasOwn(prices, name));
  return without.map((model) => ({
    path: ['budget', 'cost'],
    text: `can't be held: '${model}' has no price; name it in prices, or give '*' one`,
  }));
}

export function modelFaults(file: ConfigFile, world: Surroundings): FileFault[] {
  const faults = modelsAsked(file).flatMap(({ model, path }) => {
    const text = modelFault(model, file, world);
    return text === undefined ? [] : [{ path, text }];
  });
  return [
    ...faults,
    ...Object.entries(file.providers).flatMap(providerFaults),
    ...moderationFaults(file, world),
    ...priceFaults(file),
    ...unpricedFaults(file),
  ];
}
