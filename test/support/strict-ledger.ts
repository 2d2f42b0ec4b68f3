import type { ToolLedger, ToolResult } from '../../src/agent/agent-runner.ts';
import { hashOf } from '../../src/lib/json.ts';

type Call = Parameters<ToolLedger['start']>[0];

/** The rules of T6 and T7 over one generation: who lost the fence starts nothing, an unsafe tool starts once. */
export class StrictLedger {
  /** The newest claim. */
  fence = 1;
  readonly starts: { toolCallId: string; argsHash: string }[] = [];
  readonly results = new Map<string, ToolResult>();
  readonly refused: string[] = [];

  at(fence: number): ToolLedger {
    this.fence = Math.max(this.fence, fence);
    return {
      start: async (call) => this.#start(call, fence),
      done: async (toolCallId, result) => {
        if (!this.results.has(toolCallId)) this.results.set(toolCallId, result);
      },
    };
  }

  #start({ toolCallId, effects, args }: Call, fence: number) {
    if (fence < this.fence) throw this.#refuse('stale_fence');
    const result = this.results.get(toolCallId);
    if (result) return { go: 'reuse' as const, result };
    const started = this.starts.some((start) => start.toolCallId === toolCallId);
    if (started && effects === 'unsafe') throw this.#refuse('outcome_unknown');
    this.starts.push({ toolCallId, argsHash: hashOf(args) });
    return { go: 'run' as const };
  }

  #refuse(reason: string): Error {
    this.refused.push(reason);
    return new Error(reason);
  }
}
