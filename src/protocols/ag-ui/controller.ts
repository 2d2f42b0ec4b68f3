import { AUTO } from '../../stream/generations.ts';
import { notFound } from '../../errors.ts';
import { readBody } from '../../http/body.ts';
import type { AppContext } from '../../http/context.ts';
import { refuseWhileDraining } from '../../http/draining.ts';
import { pathParam } from '../../http/route.ts';
import type { UserCall } from '../../http/route.ts';
import { ID_PATTERN } from '../../http/schemas.ts';
import { validate } from '../../http/validate.ts';
import { conversationOf } from '../conversation-id.ts';
import { runtimeInfo } from './info.ts';
import { runInputSchema, runQuerySchema, threadIdSchema, threadSchema } from './run-input.ts';
import { createAgUiStreams } from './streams.ts';
import { createTurns } from './turns.ts';

/** On POSTs too: there are clients that come back by the same request, which attaches to what it began. */
function cursorOf({ req }: UserCall): string | undefined {
  return req.get('last-event-id');
}

/** AG-UI 1.0, and the routes that CopilotKit's client asks of a runtime. */
export function createAgUiController(ctx: AppContext) {
  const { generations, conversations, config } = ctx;
  const limits = { ...config.limits, bodyBytes: config.limits.historyBodyBytes };
  const streams = createAgUiStreams(ctx);
  const begin = createTurns(ctx);

  /** CopilotKit calls the agent that is not named `default`. */
  const agentOf = ({ req }: UserCall): string | undefined => {
    const name = pathParam(req, 'agentId');
    if (name === '') return undefined;
    if (ctx.agents().some(({ agentId }) => agentId === name)) return name;
    if (name === AUTO) return AUTO;
    if (name === 'default') return undefined;
    throw notFound('agent');
  };

  const stop = async ({ res, owner }: UserCall, threadId: string): Promise<void> => {
    const conversationId = await conversationOf(conversations, owner, threadId);
    const stopped = await generations.abort(owner, { conversationId });
    res.json({ threadId, stopped: !stopped.alreadyFinished, ...stopped });
  };

  return {
    run: async (call: UserCall): Promise<void> => {
      refuseWhileDraining(ctx);
      const agentId = agentOf(call);
      const input = await readBody(call.req, { schema: runInputSchema, limits });
      await streams.respond(call, async () => {
        const { threadId, runId } = input;
        const { generationId, after, place } = await begin(call, { input, agentId });
        const names = { threadId, runId, after };
        return { generationId, place, names, snapshot: false, cursor: cursorOf(call) };
      });
    },

    connect: async (call: UserCall): Promise<void> => {
      agentOf(call);
      const { threadId } = await readBody(call.req, { schema: threadSchema, limits });
      await streams.respond(call, async () => {
        const conversationId = await conversationOf(conversations, call.owner, threadId);
        const still = () => streams.still(conversationId, threadId);
        if (!(await conversations.get(conversationId))) return still;
        const { generation } = await generations.status(call.owner, conversationId);
        if (!generation) return still;
        const { generationId, state } = generation;
        const userMessageId = state.message.parentMessageId;
        const place = { conversationId, userMessageId };
        const names = { threadId };
        return { generationId, place, names, snapshot: true, cursor: cursorOf(call) };
      });
    },

    read: async (call: UserCall): Promise<void> => {
      const { req } = call;
      const { snapshot, ...names } = validate(runQuerySchema, req.query);
      const generationId = pathParam(req, 'generationId');
      if (!ID_PATTERN.test(generationId)) throw notFound('stream');
      const cursor = cursorOf(call);
      await streams.respond(call, async () => ({ generationId, names, snapshot, cursor }));
    },

    stop: async (call: UserCall): Promise<void> => {
      const { threadId } = await readBody(call.req, { schema: threadSchema, limits });
      await stop(call, threadId);
    },

    /** No body is read: CopilotKit sends none. */
    stopThread: async (call: UserCall): Promise<void> => {
      agentOf(call);
      await stop(call, validate(threadIdSchema, pathParam(call.req, 'threadId')));
    },

    info: ({ res }: UserCall): void => {
      res.json(runtimeInfo(ctx.agents()));
    },
  };
}

export type AgUiController = ReturnType<typeof createAgUiController>;
