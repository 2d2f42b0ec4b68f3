import { appendFile } from 'node:fs/promises';
import { z } from 'zod';
import { delay } from '../lib/clock.ts';
import type { Clock } from '../lib/clock.ts';
import type { JsonObject } from '../lib/json.ts';
import type { AgentDefinition } from './catalog.ts';
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

function demoTools(deps: DemoDeps): ToolDefinition[] {
  const { clock } = deps;
  const record = recorder(deps);
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
  return {
    id: 'demo',
    model: 'demo',
    instructions: 'You are a script that shows what this server can do.',
    tools: demoTools(deps),
    maxSteps: 10,
    parameters: {},
  };
}
