import type { UIDataTypes, UIMessage } from 'ai';

/** What `ask_user`, a tool that the client runs, is called with: one to four questions. */
export interface Asked {
  questions: {
    id: string;
    question: string;
    options?: { label: string; value?: string }[];
  }[];
}

export interface Answered {
  /** By the questions' ids. */
  answers: Record<string, string>;
}

/** All other tools are Holdfast's: their inputs and outputs are shown as they come. */
export type Message = UIMessage<
  unknown,
  UIDataTypes,
  { ask_user: { input: Asked; output: Answered } }
>;
