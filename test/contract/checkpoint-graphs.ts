import {
  Annotation,
  Command,
  DeltaChannel,
  END,
  START,
  Send,
  StateGraph,
  interrupt,
} from '@langchain/langgraph';
import type { RunnableConfig } from '@langchain/core/runnables';
import type { AttemptRef } from '../../src/agent/agent-runner.ts';
import { threadId, type Checkpoints } from '../../src/agent/checkpoints.ts';

const State = Annotation.Root({
  items: Annotation<string[]>({ reducer: (_, next) => next, default: () => [] }),
  done: Annotation<string[]>({ reducer: (all, more) => all.concat(more), default: () => [] }),
});

const Item = Annotation.Root({ item: Annotation<string>() });

/** What the parallel branches of a graph do, and how often each was started. */
export interface Script {
  starts: Map<string, number>;
  /** Called when the branch has its input and its answer, before it returns. */
  hold: Map<string, () => Promise<void>>;
}

export function createScript(): Script {
  return { starts: new Map(), hold: new Map() };
}

function begin(script: Script, name: string): void {
  script.starts.set(name, (script.starts.get(name) ?? 0) + 1);
}

/** A sub-graph with a step before its question: asked under its own namespace. */
function subGraph(script: Script) {
  return new StateGraph(Item)
    .addNode('before', ({ item }) => {
      begin(script, `${item}.before`);
      return { item: `${item}!` };
    })
    .addNode('question', ({ item }) => ({ item: `${item}=${String(interrupt(item))}` }))
    .addEdge(START, 'before')
    .addEdge('before', 'question')
    .addEdge('question', END)
    .compile();
}

/**
 * plan → one parallel branch per item → join. `ask…` asks a question, `sub…` does so inside a sub-graph.
 */
export function fanOut(checkpoints: Checkpoints, script: Script) {
  const sub = subGraph(script);
  const branch = async ({ item }: { item: string }, config: RunnableConfig) => {
    begin(script, item);
    if (item.startsWith('sub')) return { done: [(await sub.invoke({ item }, config)).item] };
    const result = item.startsWith('ask') ? `${item}=${String(interrupt(item))}` : item;
    await script.hold.get(item)?.();
    return { done: [result] };
  };
  return new StateGraph(State)
    .addNode('plan', () => ({ done: ['planned'] }))
    .addNode('branch', branch, { input: Item })
    .addNode('join', async () => {
      await script.hold.get('join')?.();
      return { done: ['joined'] };
    })
    .addEdge(START, 'plan')
    .addConditionalEdges('plan', ({ items }) => items.map((item) => new Send('branch', { item })))
    .addEdge('branch', 'join')
    .addEdge('join', END)
    .compile({ checkpointer: checkpoints.saver });
}

const Count = Annotation.Root({
  left: Annotation<number>(),
  text: Annotation<string>({ reducer: (all, more) => all + more, default: () => '' }),
});

/** Takes `left` steps, each of which adds to the state, then asks. */
export function loop(checkpoints: Checkpoints) {
  return new StateGraph(Count)
    .addNode('step', ({ left }) => ({ left: left - 1, text: '.' }))
    .addNode('ask', () => ({ text: String(interrupt('go on?')) }))
    .addEdge(START, 'step')
    .addConditionalEdges('step', ({ left }) => (left > 0 ? 'step' : 'ask'))
    .addEdge('ask', END)
    .compile({ checkpointer: checkpoints.saver });
}

const Delta = Annotation.Root({
  left: Annotation<number>(),
  lines: () =>
    new DeltaChannel<string[], string[]>((all, writes) => all.concat(...writes), {
      snapshotFrequency: 100,
    }),
});

/** As `loop`, on a channel that stores its changes instead of its value. */
export function deltaLoop(checkpoints: Checkpoints) {
  return new StateGraph(Delta)
    .addNode('step', ({ left }) => ({ left: left - 1, lines: [`step ${left}`] }))
    .addNode('ask', () => ({ lines: [String(interrupt('go on?'))] }))
    .addEdge(START, 'step')
    .addConditionalEdges('step', ({ left }) => (left > 0 ? 'step' : 'ask'))
    .addEdge('ask', END)
    .compile({ checkpointer: checkpoints.saver });
}

export function on(attempt: AttemptRef): { configurable: { thread_id: string } } {
  return { configurable: { thread_id: threadId(attempt) } };
}

/** By interrupt id. */
export function resume(answers: Record<string, string>): Command<unknown, never, never> {
  return new Command<unknown, never, never>({ resume: answers });
}
