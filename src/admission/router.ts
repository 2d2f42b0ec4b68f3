import type { AgentCard, AgentChooser } from '../agent/agent-runner.ts';
import type { LiveFile } from '../config/file/live.ts';
import type { ConfigFile } from '../config/file/schema.ts';
import type { Clock } from '../lib/clock.ts';
import { hashOf } from '../lib/json.ts';
import type { Log } from '../lib/log.ts';
import { AUTO } from '../stream/generations.ts';
import type { Router } from './admission.ts';
import { RouterCache } from './router-cache.ts';
import { ruleFor } from './router-rules.ts';

/** Choices of the model that are kept, and for how many ms. */
const CACHE = { size: 500, ttl: 5 * 60_000 };

export interface RouterDeps {
  file: LiveFile;
  /** As they are now. */
  agents: () => readonly AgentCard[];
  chooser: AgentChooser;
  clock: Clock;
  log: Log;
}

/** Can anything else be chosen than the default agent? */
export function routes({ routing }: ConfigFile): boolean {
  return routing.rules.length > 0 || routing.model !== undefined;
}

type Turn = Parameters<Router['choose']>[0];

/** Which agent answers a turn (docs/AGENTS.md section 6). Never rejects for want of a model. */
export function createRouter(deps: RouterDeps): Router {
  const { file, agents, chooser, clock, log } = deps;
  const cache = new RouterCache({ clock, ...CACHE });
  const exists = (agentId: string): boolean => agents().some((card) => card.agentId === agentId);

  async function byModel({ owner, text }: Turn): Promise<string | undefined> {
    const { model, timeout } = file.current.routing;
    if (model === undefined) return undefined;
    const from = agents().map(({ agentId, name, description }) => ({ agentId, name, description }));
    const ask = async (): Promise<string | undefined> => {
      try {
        return await chooser.choose({ owner, text, model, timeout, from });
      } catch (err) {
        log.warn({ err }, 'no model chose an agent');
        return undefined;
      }
    };
    return cache.get(hashOf({ model, from, text }), ask);
  }

  async function chosen(turn: Turn): ReturnType<Router['choose']> {
    const { request, files, text } = turn;
    const { roles = [], locale, metadata } = request;
    const mediaTypes = files.map(({ mediaType }) => mediaType);
    const facts = {
      text,
      mediaTypes,
      roles,
      metadata,
      ...(locale === undefined ? {} : { locale }),
    };
    const rule = ruleFor(file.current.routing.rules, facts);
    if (rule && exists(rule.agent))
      return { agentId: rule.agent, route: { by: 'rule', rule: rule.name } };
    const agentId = await byModel(turn);
    if (agentId !== undefined && exists(agentId)) return { agentId, route: { by: 'model' } };
    return { agentId: undefined, route: { by: 'default' } };
  }

  return {
    async choose(turn) {
      const { agentId } = turn.request;
      if (agentId !== undefined && agentId !== AUTO) return { agentId, route: { by: 'client' } };
      const last = await turn.lastAgentId();
      if (last !== undefined && exists(last))
        return { agentId: last, route: { by: 'conversation' } };
      if (agentId === AUTO) return chosen(turn);
      return { agentId: undefined, route: { by: 'default' } };
    },
  };
}
