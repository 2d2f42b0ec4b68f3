import { z } from 'zod';
import { role, say, stop } from './fake-openai.ts';
import type { Answer, FakeOpenAi } from './fake-openai.ts';

/** Answers for `startFakeOpenAi` where only what is said and called matters, and what was sent to it. */

/** The model says these words. */
export const answer = (...words: string[]): Answer => ({ acts: [role, ...say(...words), ...stop] });

/** The model calls tools. */
export const calls = (...of: [name: string, args: object][]): Answer => ({
  acts: [
    role,
    ...of.map(([name, args], index) => ({
      delta: {
        tool_calls: [{ index, id: `call_${name}_${index}`, name, args: JSON.stringify(args) }],
      },
    })),
    { finish: 'tool_calls' },
    { done: true },
  ],
});

export const sum = (expression: string): [string, object] => ['calculator', { expression }];

const sentSchema = z.object({
  model: z.string(),
  temperature: z.number().optional(),
  tool_choice: z.unknown().optional(),
  messages: z.array(z.looseObject({ role: z.string(), content: z.unknown() })),
  tools: z.array(z.object({ function: z.object({ name: z.string() }) })).default([]),
});

/** What the provider was sent, request by request. */
export const sent = (server: FakeOpenAi) =>
  server.requests.map(({ body }) => {
    const { messages, tools, ...rest } = sentSchema.parse(body);
    const [system] = messages;
    const names = tools.map((tool) => tool.function.name);
    return { ...rest, system: system?.content, last: messages.at(-1)?.content, tools: names };
  });
