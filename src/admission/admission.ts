import { notFound } from '../errors.ts';
import type { FileRef, Route } from '../agent/run-spec.ts';
import type { Admission, NewTurn } from '../stream/admission.ts';
import type { Decider, ResumeRequest } from '../stream/generations.ts';
import type { Owner } from '../stream/job.ts';

/** What stands between a user's words and the heart. Each part is a small port; what is not configured lets all pass. */
export interface AdmissionParts {
  /** Rejects with BUDGET_EXCEEDED where the user has nothing left to spend. */
  budget: { check(owner: Owner): Promise<void> };
  content: ContentGuard;
  files: {
    /** The user's files, in the order given. Rejects with NOT_FOUND where one is not the user's, or not there. */
    bind(owner: Owner, fileIds: readonly string[]): Promise<FileRef[]>;
    /** Throws FILE_NOT_ACCEPTED where the agent takes other types only. */
    assertTaken(agentId: string | undefined, files: readonly FileRef[]): void;
  };
  router: Router;
}

export interface ContentGuard {
  /** The text as it may be kept and shown to a model. Rejects with CONTENT_REFUSED. */
  turn(owner: Owner, text: string): Promise<string>;
  /** The same for every text of the user's own in an answer: answers, reasons, responses, edited arguments. */
  answer(owner: Owner, request: ResumeRequest): Promise<ResumeRequest>;
  /** The title that a user gives a conversation. */
  title(owner: Owner, text: string): Promise<string>;
  /** What the user said in turns that a request brings with it, in their order. */
  history(owner: Owner, texts: readonly string[]): Promise<string[]>;
}

export interface Router {
  /** `agentId` undefined: the default agent. */
  choose(
    turn: NewTurn & { text: string; files: readonly FileRef[] },
  ): Promise<{ agentId: string | undefined; route: Route }>;
}

/** The agent that the client names, else the one that answered before, else the default one. */
export const plainRouter: Router = {
  async choose({ request, lastAgentId }) {
    const { agentId } = request;
    if (agentId !== undefined) return { agentId, route: { by: 'client' } };
    const last = await lastAgentId();
    return { agentId: last, route: { by: last === undefined ? 'default' : 'conversation' } };
  },
};

/** Nothing is looked at. */
export const openContent: ContentGuard = {
  turn: async (_owner, text) => text,
  answer: async (_owner, request) => request,
  title: async (_owner, text) => text,
  history: async (_owner, texts) => [...texts],
};

const OPEN: AdmissionParts = {
  budget: { check: async () => undefined },
  content: openContent,
  files: {
    async bind(_owner, [first]) {
      if (first !== undefined) throw notFound('file');
      return [];
    },
    assertTaken: () => undefined,
  },
  router: plainRouter,
};

export function createAdmission(parts: Partial<AdmissionParts> = {}): Admission {
  const { budget, content, files, router } = { ...OPEN, ...parts };
  return {
    async turn(turn) {
      const { owner, request } = turn;
      await budget.check(owner);
      const text = await content.turn(owner, request.text);
      const bound = await files.bind(
        owner,
        request.files.map(({ fileId }) => fileId),
      );
      const chosen = await router.choose({ ...turn, text, files: bound });
      files.assertTaken(chosen.agentId, bound);
      return { text, files: bound, ...chosen };
    },
    answer: (by: Decider, request: ResumeRequest) => content.answer(by, request),
  };
}
