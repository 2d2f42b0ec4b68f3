import { z } from 'zod';
import { canWait, type AgentCard } from '../../agent/agent-runner.ts';
import { jsonObjectSchema } from '../../stream/message.ts';

/** What CopilotKit's client asks of a runtime before anything else, with the capabilities that AG-UI has words for. */

export const infoSchema = z.object({
  version: z.string().meta({ description: 'Of AG-UI.' }),
  mode: z.literal('sse'),
  agents: z.record(
    z.string(),
    z.object({
      name: z.string(),
      description: z.string(),
      className: z.string(),
      capabilities: jsonObjectSchema,
    }),
  ),
  audioFileTranscriptionEnabled: z.boolean(),
});
export type RuntimeInfo = z.infer<typeof infoSchema>;

function describe(name: string, card: AgentCard): RuntimeInfo['agents'][string] {
  const waits = canWait(card);
  return {
    name,
    description: card.description,
    className: 'HttpAgent',
    capabilities: {
      transport: { streaming: true, resumable: true },
      tools: { supported: true, clientProvided: false },
      state: { memory: true, persistentState: true },
      reasoning: { supported: true, streaming: true },
      humanInTheLoop: {
        supported: waits,
        approvals: waits,
        interrupts: waits,
        approveWithEdits: waits,
      },
    },
  };
}

/** The default agent is there by the name `default` too. */
export function runtimeInfo(agents: readonly AgentCard[]): RuntimeInfo {
  const [first] = agents;
  const named = agents.map((card): [string, AgentCard] => [card.agentId, card]);
  const all: [string, AgentCard][] = first ? [['default', first], ...named] : named;
  return {
    version: '1.0',
    mode: 'sse',
    agents: Object.fromEntries(all.map(([name, card]) => [name, describe(name, card)])),
    audioFileTranscriptionEnabled: false,
  };
}
