import { AppError } from '../../errors.ts';
import type { AppContext } from '../../http/context.ts';
import { askerOf, personOf } from '../../http/person.ts';
import type { UserCall } from '../../http/route.ts';

import type { Generations, StartRequest } from '../../stream/generations.ts';
import type { Message } from '../../stream/message.ts';
import { saidIn } from '../../stream/turn-again.ts';
import { conversationOf } from '../conversation-id.ts';
import type { GenerationPlace } from './place-of.ts';
import { decodeResume, type Resumption } from './resume.ts';
import { type Asked, lastAsked, type RunInput, turnOf } from './run-input.ts';

/** What a run is about: a generation, and where in its log the run begins. */
export interface Begun {
  generationId: string;
  /** The action whose answer began the run; undefined: it is the generation's first. */
  after?: string;
  /** Where that is known without looking. */
  place?: GenerationPlace;
}

type Context = Pick<AppContext, 'generations' | 'conversations' | 'config'>;

interface Wanted {
  call: UserCall;
  input: RunInput;
  conversationId: string;
  agentId: string | undefined;
}

/** From RunAgentInput to the generation that answers it: a new turn, or an answer to what is pending. */
export function createTurns({ generations, conversations, config }: Context) {
  const { limits } = config;

  /** The question stays the one that it is: what answers it at the moment is attached to, else it gets another answer. */
  const again = async (
    { call, conversationId }: Wanted,
    { messageId: target }: Message,
    { idempotencyKey = '', agentId, metadata, bodyHash }: StartRequest,
  ): Promise<Begun> => {
    const place = { conversationId, userMessageId: target };
    try {
      const { generationId } = await generations.again(call.owner, {
        kind: 'regenerate',
        conversationId,
        target,
        idempotencyKey,
        ...(agentId !== undefined && { agentId }),
        ...askerOf(call),
        onBusy: 'reject',
        metadata,
        bodyHash,
      });
      return { generationId, place };
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'CONVERSATION_BUSY') throw error;
      const { generation } = await generations.status(call.owner, conversationId);
      if (generation?.state.message.parentMessageId !== target) throw error;
      return { generationId: generation.generationId, place };
    }
  };

  const start = async (wanted: Wanted, asked: Asked, instead: boolean): Promise<Begun> => {
    const { call, input, conversationId, agentId } = wanted;
    const turn = turnOf(input, asked, { agentId, limits });
    const known =
      asked.messageId === undefined
        ? undefined
        : await conversations.message(conversationId, asked.messageId);
    if (known?.role === 'user' && saidIn(known) === asked.text) return again(wanted, known, turn);
    // In other words it is another question, from where the first one stood.
    const parentMessageId = known?.role === 'user' ? known.parentMessageId : null;
    const started = await generations.start(call.owner, {
      ...turn,
      ...askerOf(call),
      conversationId,
      ...(instead && { onBusy: 'interrupt' }),
      ...(parentMessageId !== null && { parentMessageId }),
    });
    const { generationId, messageId } = started;
    return { generationId, place: { conversationId, userMessageId: messageId } };
  };

  const answer = async (wanted: Wanted, { actionId, verdict }: Resumption): Promise<Begun> => {
    const { call, conversationId } = wanted;
    if (verdict === null) {
      const pending = await pendingOf(generations, wanted);
      if (pending?.actionId === actionId) {
        await generations.abort(call.owner, { generationId: pending.generationId });
        return { generationId: pending.generationId, after: actionId };
      }
    }
    const request = { conversationId, actionId, ...(verdict ?? { answers: {} }) };
    const { generationId } = await generations.resume(personOf(call), request);
    return { generationId, after: actionId };
  };

  /** A question that came instead of an answer: the client has given up what it was asked. */
  const askedInstead = async (
    { input, conversationId }: Wanted,
    { abandoned }: Resumption,
  ): Promise<Asked | undefined> => {
    const asked = abandoned ? lastAsked(input, limits) : undefined;
    const { messageId } = asked ?? {};
    if (messageId === undefined) return asked;
    return (await conversations.message(conversationId, messageId)) ? undefined : asked;
  };

  return async (
    call: UserCall,
    { input, agentId }: { input: RunInput; agentId: string | undefined },
  ): Promise<Begun> => {
    const conversationId = await conversationOf(conversations, call.owner, input.threadId);
    const wanted = { call, input, conversationId, agentId };
    if (input.resume === undefined || input.resume.length === 0) {
      const asked = lastAsked(input, limits);
      if (asked) return start(wanted, asked, false);
      throw new AppError(
        'INVALID_REQUEST',
        'There is nothing to answer: messages must end with one of the user, or resume be given.',
      );
    }
    const resumption = decodeResume(input.resume);
    const asked = await askedInstead(wanted, resumption);
    if (!asked) return answer(wanted, resumption);
    const pending = await pendingOf(generations, wanted);
    return start(wanted, asked, pending?.actionId === resumption.actionId);
  };
}

async function pendingOf(
  generations: Pick<Generations, 'status'>,
  { call, conversationId }: Wanted,
): Promise<{ actionId: string; generationId: string } | undefined> {
  const { generation } = await generations.status(call.owner, conversationId);
  return generation?.pendingAction;
}
