import { defineTool } from 'holdfast';
import { createAgent } from 'langchain';
import { z } from 'zod';
import { ScriptedModel } from './scripted-model.mjs';

/** An agent with a tool that a person must approve: its graph is made for each run. */

const sendPostcard = defineTool({
  name: 'send_postcard',
  description: 'Sends a postcard.',
  schema: z.strictObject({ to: z.string().min(1), text: z.string() }),
  // What happened can't be undone, so it is asked for, and never done again after a crash.
  effects: 'unsafe',
  run: async ({ to, text }, { idempotencyKey }) => {
    console.log(`postcard ${idempotencyKey}: "${text}" to ${to}`);
    return `sent to ${to}`;
  },
});

const model = new ScriptedModel((messages) => {
  const last = messages.at(-1);
  if (last.type === 'tool') return { text: `The postman says: ${last.text}.` };
  const args = { to: last.text.split(' ').at(-1), text: 'Greetings from the valley!' };
  return { text: 'I need a stamp for that. ', call: { name: 'send_postcard', args } };
});

export const postman = {
  id: 'postman',
  version: '1',
  tools: [sendPostcard],
  // `tools` and `middleware` are for this run: effects are recorded, and what needs a person waits for one.
  graph: ({ checkpointer, tools, middleware, guard }) =>
    createAgent({ model: guard(model), tools, middleware, checkpointer }),
};
