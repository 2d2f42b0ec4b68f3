import { appendFile } from 'node:fs/promises';
import { z } from 'zod';
import { delay } from '../lib/clock.ts';
import type { Clock } from '../lib/clock.ts';
import type { JsonObject } from '../lib/json.ts';
import { OPEN_POLICY } from '../hitl/tool-policy.ts';
import { askUserTool } from './ask-user.ts';
import type { AgentDefinition } from './catalog.ts';
import { subAgentTool } from './sub-agent.ts';
import { defineTool } from './tools.ts';
import type { ToolContext, ToolDefinition } from './tools.ts';

export interface DemoDeps {
  clock: Clock;
  /** File that gets one JSON line for each real execution of a tool with an effect. */
  ledgerFile: string | undefined;
}

type Recorder = (name: string, args: JsonObject, context: ToolContext) => Promise<void>;

function recorder({ clock, ledgerFile }: DemoDeps): Recorder {
  return async (name, args, { generationId, toolCallId }) => {
    if (ledgerFile === undefined) return;
    const at = new Date(clock.now()).toISOString();
    await appendFile(
      ledgerFile,
      `${JSON.stringify({ generationId, toolCallId, name, args, at })}\n`,
    );
  };
}

/** Tools with an effect that a person may want to see first. */
function effectTools(record: Recorder): ToolDefinition[] {
  return [
    defineTool({
      name: 'send_email',
      description: 'Sends an e-mail.',
      schema: z.strictObject({ to: z.string().min(1), subject: z.string() }),
      effects: 'unsafe',
      async run(args, context) {
        await record('send_email', args, context);
        return `sent "${args.subject}" to ${args.to}`;
      },
    }),
    defineTool({
      name: 'delete_file',
      description: 'Deletes a file.',
      schema: z.strictObject({ path: z.string().min(1) }),
      effects: 'unsafe',
      async run(args, context) {
        await record('delete_file', args, context);
        return `deleted ${args.path}`;
      },
    }),
    defineTool({
      name: 'note',
      description: 'Writes a note.',
      schema: z.strictObject({ text: z.string() }),
      effects: 'idempotent',
      async run(args, context) {
        await record('note', args, context);
        return `noted: ${args.text}`;
      },
    }),
  ];
}

function helperTool(tools: ToolDefinition[]): ToolDefinition {
  return subAgentTool({
    name: 'helper',
    description: 'Another agent, which can send e-mails.',
    agent: {
      id: 'helper',
      model: 'demo',
      instructions: 'You are a script that helps another one.',
      tools: tools.filter(({ name }) => name === 'send_email'),
      maxSteps: 10,
      parameters: {},
    },
  });
}

function plainTools({ clock }: DemoDeps, record: Recorder): ToolDefinition[] {
  const seconds = z.object({ seconds: z.number().min(0).max(3_600) });
  return [
    defineTool({
      name: 'add',
      description: 'Adds two numbers.',
      schema: z.object({ a: z.number(), b: z.number() }),
      effects: 'read',
      run: async ({ a, b }) => `${a} + ${b} = ${a + b}`,
    }),
    defineTool({
      name: 'slow',
      description: 'Takes some seconds, and stops when the run is stopped.',
      schema: seconds,
      effects: 'idempotent',
      async run(args, context) {
        await record('slow', args, context);
        await delay(clock, args.seconds * 1_000, context.signal);
        context.signal.throwIfAborted();
        return `slept ${args.seconds} s`;
      },
    }),
    defineTool({
      name: 'stubborn',
      description: 'Takes some seconds, whatever becomes of the run.',
      schema: seconds,
      effects: 'idempotent',
      async run(args, context) {
        await record('stubborn', args, context);
        await delay(clock, args.seconds * 1_000);
        return `slept ${args.seconds} s, undisturbed`;
      },
    }),
    defineTool({
      name: 'make_file',
      description: 'Makes a text file for the user.',
      schema: z.object({ text: z.string().max(10_000) }),
      effects: 'idempotent',
      async run({ text }, context) {
        const said = { name: 'demo.txt', mediaType: 'text/plain', data: text };
        const { url } = await context.saveFile(said);
        return `saved as ${url}`;
      },
    }),
    defineTool({
      name: 'big',
      description: 'Answers with many bytes.',
      schema: z.object({ bytes: z.number().int().min(0).max(10_000_000) }),
      effects: 'read',
      run: async ({ bytes }) => 'x'.repeat(bytes),
    }),
  ];
}

/** The agent of docs/PROTOCOL.md section 8. */
export function demoAgent(deps: DemoDeps): AgentDefinition {
  const record = recorder(deps);
  const effects = effectTools(record);
  return {
    id: 'demo',
    toolApproval: {
      ...OPEN_POLICY,
      ask: ['send_email', 'delete_file'],
      allowedDecisions: [{ tools: 'delete_file', decisions: ['approve', 'reject'] }],
    },
    model: 'demo',
    instructions: 'You are a script that shows what this server can do.',
    tools: [...plainTools(deps, record), ...effects, askUserTool(), helperTool(effects)],
    maxSteps: 10,
    parameters: {},
  };
}

/** The demo agent for clients that can't answer: only tools that never wait for a person. */
export function demoPlainAgent(deps: DemoDeps): AgentDefinition {
  const record = recorder(deps);
  return {
    id: 'demo-plain',
    toolApproval: OPEN_POLICY,
    model: 'demo',
    instructions: 'You are a script that shows what this server can do.',
    tools: plainTools(deps, record),
    maxSteps: 10,
    parameters: {},
  };
}
