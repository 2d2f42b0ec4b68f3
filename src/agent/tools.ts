import { DynamicStructuredTool } from '@langchain/core/tools';
import type { RunnableConfig } from '@langchain/core/runnables';
import type { StructuredToolInterface } from '@langchain/core/tools';
import type { ToolMessage } from '@langchain/core/messages';
import { isGraphBubbleUp } from '@langchain/langgraph';
import type { createAgent } from 'langchain';
import { z } from 'zod';
import type { Owner } from '../stream/owner.ts';
import type { Json, JsonObject } from '../lib/json.ts';
import { inSpan, type Tracer } from '../lib/tracing.ts';
import type { ToolAttachment, ToolEffects, ToolLedger, ToolResult } from './agent-runner.ts';
import type { SubAgentDefinition } from './catalog.ts';
import { FileMark } from './file-mark.ts';
import { errorText } from './output.ts';
import { keptOutput } from './large-output.ts';
import type { RunFile, RunFiles } from './run-files.ts';
import { jsonArgs, toolMessage } from './tool-message.ts';

/** Of one call: its result, which stands in the ledger and in the checkpoint, names them all. */
const MOST_FILES = 100;

/** What a tool is given beside its arguments. */
export interface ToolContext {
  generationId: string;
  /** Whose turn it is. */
  owner: Owner;
  /** IANA name of the user's time zone, if it is known. */
  timezone: string | null;
  toolCallId: string;
  /** The same for every execution of this call, also after a crash. */
  idempotencyKey: string;
  /** Aborted: nobody waits for the result any more. */
  signal: AbortSignal;
  /**
   * Keeps a file of the user's and shows it in the answer. The nth file of a call is the same one in every execution of
   * it, so call it in the same order. Rejects where the user may have no more, and after 100 of a call; the model sees why.
   */
  saveFile: (file: {
    name: string;
    mediaType: string;
    data: Uint8Array | string;
  }) => Promise<RunFile>;
  /** Sends a `custom` event. Await it: it waits while readers of the run are behind. */
  emit: (data: Json) => Promise<void>;
}

export type CompiledAgent = ReturnType<typeof createAgent>;

/** What tools of one run share. */
export interface ToolRun {
  generationId: string;
  owner: Owner;
  timezone: string | null;
  ledger: ToolLedger;
  signal: AbortSignal;
  tracer: Tracer;
  conversationId: string;
  files: RunFiles;
  /** Outputs that are too large are kept whole, and there is a tool to read on in them. */
  keepsLarge: boolean;
  /** Resolves when the run may produce more. */
  flow(): Promise<void>;
  /** Another agent of this run, for a tool that is one. */
  compile(agent: SubAgentDefinition): Promise<CompiledAgent>;
}

/** Tools that are known only when a run begins, like those of an MCP server. */
export interface ToolSource {
  /** Changes with everything that the source is made of. */
  readonly id: string;
  /** Made for each segment of a run. Never rejects for want of a server: what can't be reached offers nothing, or says so when called. */
  list(run: { owner: Owner; signal: AbortSignal }): Promise<ToolOffer>;
}

export interface ToolOffer {
  tools: readonly ToolDefinition[];
  /**
   * For a call that was made when more was known: a tool that finds out when it is called, or says that its server can't be
   * reached. Undefined where it is not one of this source's, or all that its server has is known. `parameters`: what is known of it.
   */
  standIn(call: { name: string; parameters: JsonObject }): ToolDefinition | undefined;
}

export interface ToolDefinition {
  readonly name: string;
  readonly description: string;
  /** JSON Schema of the arguments. */
  readonly parameters: JsonObject;
  readonly effects: ToolEffects;
  /** Changes with what the rest of the shape does not show. */
  readonly version: string;
  /** Tools of the agent behind it, if it is one. */
  readonly inner: readonly ToolDefinition[];
  /** That agent. */
  readonly agent?: SubAgentDefinition;
  /** It lets another agent answer. */
  readonly handsOff?: true;
  /** Why these arguments are refused, as a sentence for the model; undefined if they are not. */
  refuse(args: unknown): string | undefined;
  bind(run: ToolRun): StructuredToolInterface;
}

/** Ends the run instead of becoming a result that the model sees: a lost fence, an unknown outcome, a broken store. */
export class ToolFatal extends Error {
  override name = 'ToolFatal';
}

/** What LangGraph's tool node adds to a call's config. */
export interface LangGraphToolConfig extends RunnableConfig {
  toolCall?: { id?: string; args?: unknown };
  writer?: (data: unknown) => void;
}

function asText(output: unknown): string {
  return typeof output === 'string' ? output : (JSON.stringify(output) ?? '');
}

async function ledgered<T>(what: () => Promise<T>): Promise<T> {
  try {
    return await what();
  } catch (cause) {
    throw new ToolFatal('The tool ledger refused.', { cause });
  }
}

export interface Execution {
  call: { toolCallId: string; name: string; effects: ToolEffects; args: JsonObject };
  run: ToolRun;
  /** What the call has shown to the user by now. */
  shown: readonly ToolAttachment[];
  effect: () => Promise<ToolResult>;
}

async function attempt({ call, run, shown, effect }: Execution): Promise<ToolResult> {
  const showing = (result: ToolResult): ToolResult =>
    shown.length > 0 ? { ...result, attachments: [...shown] } : result;
  try {
    const key = idempotencyKey(run, call.toolCallId);
    return showing(await keptOutput(await effect(), run, key));
  } catch (error) {
    if (isGraphBubbleUp(error) || error instanceof ToolFatal) throw error;
    // Stopped, not failed: what it did is not known, and its ledger entry stays open.
    if (run.signal.aborted) throw error;
    return showing({ status: 'error', output: errorText(error) });
  }
}

/**
 * Does what the tool does, with the ledger around it. What `effect` throws is an error that the model sees.
 * Name and effects of the call are in its span; what it was given and gave are not.
 */
export async function execute(execution: Execution): Promise<ToolResult> {
  const { toolCallId, name, effects } = execution.call;
  const attributes = {
    'gen_ai.operation.name': 'execute_tool',
    'gen_ai.tool.name': name,
    'gen_ai.tool.call.id': toolCallId,
    'holdfast.tool.effects': effects,
  };
  return inSpan(
    execution.run.tracer,
    { name: `execute_tool ${name}`, attributes },
    async (span) => {
      const result = await accounted(execution);
      span.set({ 'holdfast.tool.status': result.status });
      return result;
    },
  );
}

/** Ledger, effect, ledger. A read has no effect to account for. */
async function accounted(execution: Execution): Promise<ToolResult> {
  const { call, run } = execution;
  run.signal.throwIfAborted();
  if (call.effects === 'read') return attempt(execution);
  const start = await ledgered(() => run.ledger.start(call));
  if (start.go === 'reuse') return start.result;
  const result = await attempt(execution);
  await ledgered(() => run.ledger.done(call.toolCallId, result));
  return result;
}

function sentence(name: string, issues: readonly z.core.$ZodIssue[]): string {
  const said = issues.slice(0, 5).map(({ path, message }) => {
    return path.length > 0 ? `${path.join('.')}: ${message}` : message;
  });
  return `The arguments of ${name} are not valid: ${said.join('; ')}.`;
}

function idempotencyKey({ generationId }: ToolRun, toolCallId: string): string {
  return `${generationId}/${toolCallId}`;
}

/** `shown` is filled by the context. */
export function contextOf(
  run: ToolRun,
  config: LangGraphToolConfig | undefined,
): { context: ToolContext; shown: readonly ToolAttachment[] } {
  const toolCallId = config?.toolCall?.id ?? '';
  const key = idempotencyKey(run, toolCallId);
  const shown: ToolAttachment[] = [];
  let saved = 0;
  const context: ToolContext = {
    generationId: run.generationId,
    owner: run.owner,
    timezone: run.timezone,
    toolCallId,
    idempotencyKey: key,
    signal: run.signal,
    async saveFile({ name, mediaType, data }) {
      if (saved === MOST_FILES) throw new Error(`A call may save ${MOST_FILES} files.`);
      const fileKey = `${key}/${saved}`;
      saved += 1;
      run.signal.throwIfAborted();
      const { conversationId } = run;
      const said = {
        key: fileKey,
        conversationId,
        origin: 'artifact',
        name,
        mediaType,
        data,
      } as const;
      const file = await run.files.save(run.owner, said);
      shown.push({ name: file.name, mediaType: file.mediaType, url: file.url });
      config?.writer?.(new FileMark(file));
      await run.flow();
      return file;
    },
    async emit(data) {
      config?.writer?.(data);
      await run.flow();
    },
  };
  return { context, shown };
}

/** A tool of ours. `effects` decides what a crash in the middle of it means; say nothing and it is `unsafe`. */
export function defineTool<S extends z.ZodObject>(tool: {
  name: string;
  description: string;
  schema: S;
  effects?: ToolEffects;
  run(args: z.output<S>, context: ToolContext): Promise<unknown>;
}): ToolDefinition {
  const { name, description, schema, effects = 'unsafe' } = tool;
  const bind = (run: ToolRun): StructuredToolInterface =>
    new DynamicStructuredTool({
      name,
      description,
      schema,
      async func(args: z.output<S>, _manager, config?: LangGraphToolConfig): Promise<ToolMessage> {
        const { context, shown } = contextOf(run, config);
        const { toolCallId } = context;
        const result = await execute({
          call: { toolCallId, name, effects, args: jsonArgs(config?.toolCall?.args ?? args) },
          run,
          shown,
          effect: async () => ({ status: 'ok', output: asText(await tool.run(args, context)) }),
        });
        return toolMessage({ id: toolCallId, name }, result);
      },
    });
  return {
    name,
    description,
    parameters: jsonArgs(z.toJSONSchema(schema, { io: 'input' })),
    effects,
    version: '',
    inner: [],
    refuse(args) {
      const parsed = schema.safeParse(args);
      return parsed.success ? undefined : sentence(name, parsed.error.issues);
    },
    bind,
  };
}
