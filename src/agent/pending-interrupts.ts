import type { BaseCheckpointSaver, CheckpointTuple } from '@langchain/langgraph-checkpoint';
import { z } from 'zod';
import type { Standing } from './agent-runner.ts';
import { interruptValueSchema } from './interrupt-value.ts';
import type { ApprovalValue, InterruptValue } from './interrupt-value.ts';
import { newestOfEachNamespace, toolCallIds } from './standing.ts';

/** What a thread asks a person, read from its checkpoints. */
export interface PendingInterrupt {
  /** LangGraph's. */
  id: string;
  /** Undefined: an interrupt that is not ours. */
  value: InterruptValue | undefined;
  /** Actions whose answers this step has had already: another question may come under the same id. */
  consumed: string[];
}

const interruptSchema = z.object({ id: z.string(), value: z.unknown() });
const resumedSchema = z.array(z.object({ actionId: z.string() }));

/** Everything that a step which has ended would not have written. */
const OPEN_CHANNELS = new Set(['__interrupt__', '__resume__', '__error__', '__scheduled__']);

/** Is this the step's own newest word: it waits, and has not ended since? */
function waits({ pendingWrites = [] }: CheckpointTuple, task: string): boolean {
  const channels = pendingWrites.filter(([id]) => id === task).map(([, channel]) => channel);
  return (
    channels.includes('__interrupt__') && channels.every((channel) => OPEN_CHANNELS.has(channel))
  );
}

interface Step {
  /** Of the graph that the step is in. */
  namespace: string;
  task: string;
}

/** `tools:T1|Approval.after_model:T2` → the step T1 of the root and the step T2 of the sub-graph in it. */
function stepsOf(at: string): Step[] {
  const segments = at.split('|');
  return segments.map((segment, index) => ({
    namespace: segments.slice(0, index).join('|'),
    task: segment.slice(segment.lastIndexOf(':') + 1),
  }));
}

type Tuples = ReadonlyMap<string, CheckpointTuple>;

/** A step that leads to the asking one may keep an old note of it: only all of them together say that it asks. */
function asksStill(tuples: Tuples, at: string): boolean {
  return stepsOf(at).every(({ namespace, task }) => {
    const tuple = tuples.get(namespace);
    return tuple !== undefined && waits(tuple, task);
  });
}

function consumedBy({ pendingWrites = [] }: CheckpointTuple, task: string): string[] {
  return pendingWrites
    .filter(([id, channel]) => id === task && channel === '__resume__')
    .flatMap(([, , value]) => resumedSchema.safeParse(value).data ?? [])
    .map(({ actionId }) => actionId);
}

function inNamespace(tuples: Tuples, namespace: string): PendingInterrupt[] {
  const tuple = tuples.get(namespace);
  if (!tuple) return [];
  const written = (tuple.pendingWrites ?? []).filter(([, channel]) => channel === '__interrupt__');
  return written.flatMap(([task, , raw]): PendingInterrupt[] => {
    const found = interruptSchema.safeParse(raw).data;
    const value = interruptValueSchema.safeParse(found?.value).data;
    if (!value)
      return namespace === '' && waits(tuple, task)
        ? [{ id: found?.id ?? '', value: undefined, consumed: [] }]
        : [];
    // Repeated by the steps above it; only its own graph's word counts.
    const own = stepsOf(value.at).at(-1)?.namespace === namespace;
    if (!found || !own || !asksStill(tuples, value.at)) return [];
    return [{ id: found.id, value, consumed: consumedBy(tuple, task) }];
  });
}

function firstCall(value: InterruptValue | undefined): string | undefined {
  return value?.kind === 'tool_approval' ? value.requests[0]?.toolCallId : value?.toolCallId;
}

/** In the order of the calls that they are about, which is the same for every attempt. */
export async function pendingInterrupts(
  saver: BaseCheckpointSaver,
  of: { thread: string; standing: Standing },
): Promise<PendingInterrupt[]> {
  const tuples = await newestOfEachNamespace(saver, of.thread);
  const order = toolCallIds(of.standing);
  const place = ({ value }: PendingInterrupt): number => order.indexOf(firstCall(value) ?? '');
  return [...tuples.keys()]
    .flatMap((namespace) => inNamespace(tuples, namespace))
    .toSorted((a, b) => place(a) - place(b));
}

/** What approval steps have been asking, by their namespace. */
export function askedBefore(pending: readonly PendingInterrupt[]): Map<string, ApprovalValue> {
  const values = pending.flatMap(({ value }) => (value?.kind === 'tool_approval' ? [value] : []));
  return new Map(values.map((value) => [value.at, value]));
}
