import { ToolMessage } from '@langchain/core/messages';
import type { RunFiles } from '../../src/agent/run-files.ts';
import type { ToolDefinition, ToolRun } from '../../src/agent/tools.ts';
import { NO_TRACER } from '../../src/lib/tracing.ts';
import type { Owner } from '../../src/stream/owner.ts';

/** Files of users in memory. */
export class MemoryRunFiles implements RunFiles {
  readonly saved = new Map<string, { owner: Owner; bytes: Buffer; name: string }>();

  async read(owner: Owner, fileId: string, maxBytes: number) {
    const found = this.saved.get(fileId);
    if (!found || found.owner.userId !== owner.userId) return undefined;
    return { bytes: found.bytes.subarray(0, maxBytes), size: found.bytes.length };
  }

  async save(owner: Owner, file: Parameters<RunFiles['save']>[1]) {
    const fileId = `f-${file.key}`;
    const { name, mediaType } = file;
    const bytes = Buffer.from(file.data);
    this.saved.set(fileId, { owner, bytes, name });
    return { fileId, name, mediaType, size: bytes.length, url: `/api/files/${fileId}` };
  }
}

/** A run whose ledger lets everything through. */
export function aToolRun(over: Partial<ToolRun> = {}): ToolRun {
  return {
    generationId: 'g1',
    conversationId: 'c1',
    owner: { tenantId: 't', userId: 'alice' },
    timezone: null,
    ledger: { start: async () => ({ go: 'run' }), done: async () => undefined },
    files: new MemoryRunFiles(),
    keepsLarge: true,
    signal: new AbortController().signal,
    tracer: NO_TRACER,
    flow: async () => undefined,
    compile: () => Promise.reject(new Error('no agents here')),
    ...over,
  };
}

let calls = 0;

/** What the model is told of a call. */
export async function callTool(
  tool: ToolDefinition | undefined,
  args: object = {},
  run: Partial<ToolRun> = {},
): Promise<{ status: unknown; text: string }> {
  if (!tool) throw new Error('there is no such tool');
  calls += 1;
  const call = { type: 'tool_call' as const, id: `c${calls}`, name: tool.name, args };
  const message: unknown = await tool.bind(aToolRun(run)).invoke({ ...call });
  if (!ToolMessage.isInstance(message)) throw new Error('no tool message');
  return { status: message.additional_kwargs['holdfast_status'], text: message.text };
}
