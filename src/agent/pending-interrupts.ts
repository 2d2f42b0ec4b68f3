import { isDeepStrictEqual } from 'node:util';
import type { BaseCheckpointSaver, CheckpointTuple } from '@langchain/langgraph-checkpoint';
import { z } from 'zod';
import type { Standing } from './agent-runner.ts';
import { askedAfter } from './asked-after.ts';
import { customAsked } from './custom-value.ts';
import { interruptIdAt } from './interrupt-id.ts';
import { interruptValueSchema } from './interrupt-value.ts';
import type { ApprovalValue, InterruptValue } from './interrupt-value.ts';
import { newestOfEachNamespace, pathIn, toolCallIds } from './standing.ts';

/** What a thread asks a person, read from its checkpoints. */
export interface PendingInterrupt {
  /** LangGraph's. */
  id: string;
  value: InterruptValue | { kind: 'unsupported'; fault: string };
  /** Actions whose answers this step has had already: another question may come under the same id. */
  consumed: string[];
}

const interruptSchema = z.object({
  id: z.string(),
  value: z.unknown(),
  response_schema: z.unknown().optional(),
});
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

/**
 * `tools:T1|Approval.after_model:T2` → the step T1 of the root and the step T2 of the sub-graph in it. A second graph in
 * a step has a segment with its number, and one that keeps its state for itself a segment with its name alone.
 */
function stepsOf(at: string): Step[] {
  const segments = at.split('|');
  return segments.flatMap((segment, index) => {
    const [, task] = /:([^:]+)$/.exec(segment) ?? [];
    return task === undefined ? [] : [{ namespace: segments.slice(0, index).join('|'), task }];
  });
}

type Tuples = ReadonlyMap<string, CheckpointTuple>;

/** A step that leads to the asking one may keep an old note of it: only all of them together say that it asks. */
function asksStill(tuples: Tuples, at: string): boolean {
  return stepsOf(at).every(({ namespace, task }) => {
    const tuple = tuples.get(namespace);
    return tuple !== undefined && waits(tuple, task);
  });
}

function answersOf({ pendingWrites = [] }: CheckpointTuple, task: string): unknown[] {
  return pendingWrites
    .filter(([id, channel]) => id === task && channel === '__resume__')
    .map(([, , value]) => value);
}

function consumedBy(tuple: CheckpointTuple, task: string): string[] {
  return answersOf(tuple, task)
    .flatMap((value) => resumedSchema.safeParse(value).data ?? [])
    .map(({ actionId }) => actionId);
}

/** The namespace of a step; undefined where no graph in it says so. */
function namespaceOf(tuples: Tuples, { namespace, task }: Step): string | undefined {
  const above = namespace === '' ? '' : `${namespace}|`;
  for (const other of tuples.keys()) {
    if (!other.startsWith(above)) continue;
    const [segment = ''] = other.slice(above.length).split('|');
    if (segment.endsWith(`:${task}`)) return above + segment;
  }
  return undefined;
}

/** A graph's own question. The steps above repeat it: only the word of the asking one counts, by its id. */
function ownQuestion(tuples: Tuples, step: Step, raw: unknown): PendingInterrupt[] {
  const noted = interruptSchema.parse(raw);
  const tuple = tuples.get(step.namespace);
  if (!tuple || !waits(tuple, step.task) || !asksStill(tuples, step.namespace)) return [];
  const { id } = noted;
  const here = namespaceOf(tuples, step);
  if (here !== undefined && interruptIdAt(here) !== id) return [];
  const answers = answersOf(tuple, step.task).flat().length;
  const after = askedAfter(raw) ?? answers;
  // Answered: its step wrote nothing when it ended, or failed.
  if (answers > after) return [];
  const asked = customAsked(noted.value, noted.response_schema);
  if ('fault' in asked)
    return [{ id, value: { kind: 'unsupported', fault: asked.fault }, consumed: [] }];
  const path = pathIn(tuple);
  const value: InterruptValue = {
    kind: 'custom',
    ...asked,
    ...(path ? { path } : {}),
    after,
  };
  return [{ id, value, consumed: [] }];
}

function inNamespace(tuples: Tuples, namespace: string): PendingInterrupt[] {
  const tuple = tuples.get(namespace);
  if (!tuple) return [];
  const written = (tuple.pendingWrites ?? []).filter(([, channel]) => channel === '__interrupt__');
  return written.flatMap(([task, , raw]): PendingInterrupt[] => {
    const found = interruptSchema.safeParse(raw).data;
    if (!found) return [];
    const value = interruptValueSchema.safeParse(found.value).data;
    if (!value) return ownQuestion(tuples, { namespace, task }, raw);
    // Repeated by the steps above it; only its own graph's word counts.
    const own = stepsOf(value.at).at(-1)?.namespace === namespace;
    if (!own || !asksStill(tuples, value.at)) return [];
    return [{ id: found.id, value, consumed: consumedBy(tuple, task) }];
  });
}

function firstCall(value: PendingInterrupt['value'], { calls }: Standing): string | undefined {
  switch (value.kind) {
    case 'tool_approval':
      return value.requests[0]?.toolCallId;
    case 'ask_user_question':
      return value.toolCallId;
    case 'custom':
      // Among the calls of the agent that asks.
      return calls.find(({ path }) => isDeepStrictEqual(path, value.path))?.toolCalls[0]
        ?.toolCallId;
    case 'unsupported':
      return undefined;
    default:
      return value satisfies never;
  }
}

/** In the order of the calls that they are about, which is the same for every attempt. */
export async function pendingInterrupts(
  saver: BaseCheckpointSaver,
  of: { thread: string; standing: Standing },
): Promise<PendingInterrupt[]> {
  const tuples = await newestOfEachNamespace(saver, of.thread);
  const order = toolCallIds(of.standing);
  const place = ({ value }: PendingInterrupt): number =>
    order.indexOf(firstCall(value, of.standing) ?? '');
  // A graph that keeps its state for itself says nothing of its step: of two that have an id the inner one asks.
  const inner = [...tuples.keys()].toSorted((a, b) => b.length - a.length);
  const found = inner.flatMap((namespace) => inNamespace(tuples, namespace));
  const byId = new Map(found.toReversed().map((pending) => [pending.id, pending]));
  return [...byId.values()].toSorted((a, b) => place(a) - place(b) || (a.id < b.id ? -1 : 1));
}

/** What approval steps have been asking, by their namespace. */
export function askedBefore(pending: readonly PendingInterrupt[]): Map<string, ApprovalValue> {
  const values = pending.flatMap(({ value }) => (value.kind === 'tool_approval' ? [value] : []));
  return new Map(values.map((value) => [value.at, value]));
}
