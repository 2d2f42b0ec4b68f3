import { ToolMessage } from '@langchain/core/messages';
import type { BaseMessage } from '@langchain/core/messages';
import { DynamicStructuredTool } from '@langchain/core/tools';
import { z } from 'zod';
import type { Answering } from './agent-runner.ts';
import type { AgentDefinition } from './catalog.ts';
import { toolMessage } from './tool-message.ts';
import { defineTool } from './tools.ts';
import type { LangGraphToolConfig, ToolDefinition } from './tools.ts';

/**
 * Hand-offs: an agent lets another one answer the user from there on. Who answers stands in the messages, in the result
 * of the call that handed over, so that a pause, a crash and another process forget nothing.
 */

export const handOffName = (agentId: string): string => `hand_off_to_${agentId}`;

/** In the result of a hand-off. Providers are never sent this key. */
const ANSWERING_KEY = 'holdfast_answering';

const answeringSchema: z.ZodType<Answering> = z.object({
  agentId: z.string(),
  model: z.string(),
  contextMax: z.number().nullable(),
});

/** Who took over with this result; undefined: nobody did. */
export function handedTo(message: BaseMessage): Answering | undefined {
  if (!ToolMessage.isInstance(message)) return undefined;
  return answeringSchema.safeParse(message.additional_kwargs[ANSWERING_KEY]).data;
}

/** Who answers after these messages; undefined: whoever the turn was asked of. */
export function answeringIn(messages: readonly BaseMessage[]): Answering | undefined {
  return messages.map(handedTo).findLast((found) => found !== undefined);
}

/** The agent and all that an answer of its can be handed to, itself first. */
export function reachable(root: AgentDefinition): AgentDefinition[] {
  const found = new Map([[root.id, root]]);
  // A map goes on with what is added meanwhile.
  for (const { handOffs = [] } of found.values()) {
    for (const agent of handOffs) if (!found.has(agent.id)) found.set(agent.id, agent);
  }
  return [...found.values()];
}

const schema = z.object({
  reason: z
    .string()
    .max(10_000)
    .optional()
    .describe('Why, and what the other agent must know that was not said yet.'),
});

function handOffTool(
  { id, name: title = id, description: about = '', model }: AgentDefinition,
  contextMaxOf: (agentId: string) => Promise<number | null>,
): ToolDefinition {
  const name = handOffName(id);
  const description =
    `Hands the conversation over to ${title}, who answers the user from then on. ${about}`.trim();
  const shape = defineTool({ name, description, schema, effects: 'read', run: async () => '' });
  return {
    ...shape,
    handsOff: true,
    bind: () =>
      new DynamicStructuredTool({
        name,
        description,
        schema,
        async func(_args, _manager, config: LangGraphToolConfig = {}) {
          const answering: Answering = { agentId: id, model, contextMax: await contextMaxOf(id) };
          const call = { id: config.toolCall?.id ?? '', name };
          const output = `${title} answers the user from here on.`;
          const message = toolMessage(call, { status: 'ok', output });
          message.additional_kwargs[ANSWERING_KEY] = answering;
          return message;
        },
      }),
  };
}

/** What the agent hands over with. */
export function handOffTools(
  { handOffs = [] }: Pick<AgentDefinition, 'handOffs'>,
  contextMaxOf: (agentId: string) => Promise<number | null> = async () => null,
): ToolDefinition[] {
  return handOffs.map((agent) => handOffTool(agent, contextMaxOf));
}

/** Of several hand-offs in one step the first counts, whatever becomes of it: only one agent can take over. */
export const ONE_HAND_OFF =
  'Only one agent can take over: the first hand-off of a step counts, and this is a second one.';
