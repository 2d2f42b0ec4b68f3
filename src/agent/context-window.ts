import { AIMessage, HumanMessage, ToolMessage } from '@langchain/core/messages';
import type { BaseMessage } from '@langchain/core/messages';
import { isRecord } from './chunk-content.ts';
import { filesOf, isImage, MODEL_FILES } from './file-blocks.ts';
import { MOST_IMAGE_TOKENS } from './image-tokens.ts';
import { isQuestion } from './steering.ts';

/** What of a history a model is shown; pure. Messages are never changed in place. */

export interface WindowLimits {
  /** Estimated tokens. */
  maxTokens: number;
  /** Newest messages that always stay. */
  keepMessages: number;
  /** Of each image; the most that any provider counts where not given. */
  imageTokens?: number;
}

/** Stands for everything up to and with a message. */
export interface Summary {
  upTo: string;
  text: string;
}

const BYTES_PER_TOKEN = 4;
/** Roles, names and separators. */
const TOKENS_PER_MESSAGE = 4;
/** Of a file that a model is given a line of only. */
const TOKENS_PER_LINE = 16;

const GAP = '[Earlier messages of this conversation are left out.]';

function tokensOfText(text: string): number {
  return Math.ceil(Buffer.byteLength(text, 'utf8') / BYTES_PER_TOKEN);
}

function tokensOfBlock(block: unknown, imageTokens: number): number {
  const text = isRecord(block) ? (block['text'] ?? block['thinking']) : undefined;
  return typeof text === 'string' ? tokensOfText(text) : imageTokens;
}

function tokensOf(message: BaseMessage, imageTokens: number): number {
  const { content } = message;
  const words =
    typeof content === 'string'
      ? tokensOfText(content)
      : content.reduce((sum, block) => sum + tokensOfBlock(block, imageTokens), 0);
  const calls = AIMessage.isInstance(message) ? (message.tool_calls ?? []) : [];
  const asked = calls.reduce((sum, { name, args }) => {
    return sum + tokensOfText(name) + tokensOfText(JSON.stringify(args));
  }, 0);
  return TOKENS_PER_MESSAGE + words + asked;
}

/** With the images that the user's messages name: of them a model is given the newest, and of the others a line. */
export function tokensOfAll(
  messages: readonly BaseMessage[],
  { imageTokens = MOST_IMAGE_TOKENS }: Pick<WindowLimits, 'imageTokens'> = {},
): number {
  const words = messages.reduce((sum, message) => sum + tokensOf(message, imageTokens), 0);
  const images = messages.flatMap(filesOf).filter(isImage).length;
  const given = Math.min(images, MODEL_FILES.images);
  return words + given * imageTokens + (images - given) * TOKENS_PER_LINE;
}

/** Indices at which the history may be cut: never between a call and its results. */
function cuts(messages: readonly BaseMessage[]): number[] {
  const places = messages.flatMap((message, at) => (ToolMessage.isInstance(message) ? [] : [at]));
  return [...places, messages.length];
}

/** The newest question of the user; -1: there is none. */
function questionIn(messages: readonly BaseMessage[]): number {
  return messages.findLastIndex(isQuestion);
}

/** How many of the oldest messages may go, the user's newest one not counted; a place where one may cut. */
export function mostToDrop(
  messages: readonly BaseMessage[],
  { keepMessages }: WindowLimits,
): number {
  const most = Math.max(0, messages.length - keepMessages);
  return cuts(messages).findLast((cut) => cut <= most) ?? 0;
}

/** Without the first `count`, except the user's newest message. */
function without(messages: readonly BaseMessage[], count: number): BaseMessage[] {
  const question = questionIn(messages);
  const kept = question >= 0 && question < count ? messages.slice(question, question + 1) : [];
  return [...kept, ...messages.slice(count)];
}

/** Puts words before what the first message says; providers want the user to speak first. */
function preceded(messages: readonly BaseMessage[], words: string): BaseMessage[] {
  const [first, ...rest] = messages;
  if (!first || !HumanMessage.isInstance(first)) {
    return [new HumanMessage({ id: 'context', content: words }), ...messages];
  }
  const content =
    typeof first.content === 'string'
      ? `${words}\n\n${first.content}`
      : [{ type: 'text' as const, text: words }, ...first.content];
  const { id, additional_kwargs } = first;
  return [
    new HumanMessage({ ...(id !== undefined && { id }), content, additional_kwargs }),
    ...rest,
  ];
}

/** Without the oldest, until the rest fits or no more may go. */
function fitting(messages: readonly BaseMessage[], limits: WindowLimits): BaseMessage[] {
  const most = mostToDrop(messages, limits);
  let left: BaseMessage[] = [...messages];
  for (const cut of cuts(messages)) {
    if (cut > most || tokensOfAll(left, limits) <= limits.maxTokens) break;
    left = without(messages, cut);
  }
  return left;
}

/** How many of the oldest messages a summary stands for; 0: it is of another history. */
export function coveredBy(messages: readonly BaseMessage[], summary: Summary | undefined): number {
  return summary ? messages.findIndex(({ id }) => id === summary.upTo) + 1 : 0;
}

function wordsFor(summary: Summary): string {
  return `[Summary of the conversation before this]\n${summary.text}\n[End of the summary]`;
}

/** The history with the summary in the place of what it stands for. */
export function summarised(
  messages: readonly BaseMessage[],
  summary: Summary | undefined,
): BaseMessage[] {
  const count = coveredBy(messages, summary);
  if (!summary || count === 0) return [...messages];
  return preceded(without(messages, count), wordsFor(summary));
}

/** What the model is shown: all of it where it fits, else the summary and the newest of the rest. */
export function shown(
  messages: readonly BaseMessage[],
  summary: Summary | undefined,
  limits: WindowLimits,
): BaseMessage[] {
  if (tokensOfAll(messages, limits) <= limits.maxTokens) return [...messages];
  const count = coveredBy(messages, summary);
  const known = summary && count > 0 ? [wordsFor(summary)] : [];
  const rest = count > 0 ? without(messages, count) : messages;
  const maxTokens = limits.maxTokens - tokensOfText(known.join(''));
  const left = fitting(rest, { ...limits, maxTokens });
  const words = [...known, ...(left.length < rest.length ? [GAP] : [])];
  return words.length === 0 ? left : preceded(left, words.join('\n\n'));
}

/** As a summary is made of it: who said what. */
export function transcript(messages: readonly BaseMessage[]): string {
  return messages.map(lineOf).join('\n\n');
}

function lineOf(message: BaseMessage): string {
  if (HumanMessage.isInstance(message)) return `User: ${message.text}`;
  if (ToolMessage.isInstance(message))
    return `Result of ${message.name ?? 'a tool'}: ${message.text}`;
  const calls = AIMessage.isInstance(message) ? (message.tool_calls ?? []) : [];
  const asked = calls.map(({ name, args }) => `Assistant calls ${name} ${JSON.stringify(args)}`);
  const said = message.text === '' ? [] : [`Assistant: ${message.text}`];
  return [...said, ...asked].join('\n');
}
