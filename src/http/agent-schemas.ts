import { z } from 'zod';

/** Agents as clients may know them: never their instructions, their tools or their models. */
export const agentListSchema = z.object({
  items: z.array(
    z.object({
      agentId: z.string(),
      name: z.string(),
      description: z.string(),
      default: z.boolean().meta({ description: 'Answers where nothing else is said.' }),
      capabilities: z.object({
        approvals: z.boolean().meta({ description: 'Its tool calls can wait for a person.' }),
        questions: z.boolean().meta({ description: 'It can ask the user.' }),
        files: z.array(z.string()).meta({ description: 'Media types that it takes; * is a glob.' }),
        subagents: z.array(z.string()).meta({ description: 'Ids of the agents below it.' }),
        handoffs: z
          .array(z.string())
          .meta({ description: 'Ids of the agents that it may let answer in its place.' }),
      }),
    }),
  ),
});
export type AgentList = z.infer<typeof agentListSchema>;
