import type { ContentGuard } from '../admission/admission.ts';
import type { LiveFile } from '../config/file/live.ts';
import { AppError } from '../errors.ts';
import type { Json } from '../lib/json.ts';
import type { ResumeRequest } from '../stream/generations.ts';
import type { Owner } from '../stream/owner.ts';
import type { PiiKind } from './finding.ts';
import type { ContentHook, ContentKind, HookRunner } from './hooks.ts';
import { findPii, mask } from './pii.ts';

/** Says which categories a text is flagged for, one list for each text. Rejects with UNAVAILABLE where it can't. */
export interface Moderation {
  flagged(texts: readonly string[]): Promise<string[][]>;
}

export interface ContentGuardDeps {
  file: LiveFile;
  moderation: Moderation;
  hooks: readonly ContentHook[];
  run: HookRunner;
}

interface Said {
  kind: ContentKind;
  owner: Owner;
}

function refusal(kinds: Iterable<string>, why = 'This text is not allowed here.'): AppError {
  return new AppError('CONTENT_REFUSED', why, { details: { kinds: [...new Set(kinds)] } });
}

/** Every text in a value; names of members are looked at by their form alone. */
function textsOf(value: Json): string[] {
  if (typeof value === 'string') return [value];
  if (Array.isArray(value)) return value.flatMap(textsOf);
  if (value === null || typeof value !== 'object') return [];
  return Object.values(value).flatMap(textsOf);
}

interface Rewrite {
  text: (text: string) => string;
  /** Of a member. */
  name: (name: string) => string;
}

function rewritten(value: Json, rewrite: Rewrite): Json {
  if (typeof value === 'string') return rewrite.text(value);
  if (Array.isArray(value)) return value.map((item) => rewritten(item, rewrite));
  if (value === null || typeof value !== 'object') return value;
  return rewrittenMembers(value, rewrite);
}

function rewrittenMembers(value: Readonly<Record<string, Json>>, rewrite: Rewrite) {
  const members = Object.entries(value).map(([key, member]): [string, Json] => {
    return [rewrite.name(key), rewritten(member, rewrite)];
  });
  return Object.fromEntries(members);
}

/** What a person wrote, without what only names something. */
function wordsOf(request: ResumeRequest): Json {
  if ('decisions' in request) {
    return request.decisions.map(({ editedArgs = null, responseText = '', reason = '' }) => {
      return [editedArgs, responseText, reason];
    });
  }
  if ('answers' in request) return Object.values(request.answers);
  return 'answer' in request ? request.answer : request.response;
}

function answerWith(request: ResumeRequest, rewrite: Rewrite): ResumeRequest {
  if ('decisions' in request) {
    const decisions = request.decisions.map((decision) => {
      const { editedArgs, responseText, reason } = decision;
      return {
        ...decision,
        ...(editedArgs && { editedArgs: rewrittenMembers(editedArgs, rewrite) }),
        ...(responseText !== undefined && { responseText: rewrite.text(responseText) }),
        ...(reason !== undefined && { reason: rewrite.text(reason) }),
      };
    });
    return { ...request, decisions };
  }
  if ('answers' in request) {
    const answers = Object.entries(request.answers).map(([id, said]) => {
      return [id, Array.isArray(said) ? said.map(rewrite.text) : rewrite.text(said)] as const;
    });
    return { ...request, answers: Object.fromEntries(answers) };
  }
  if ('answer' in request) return { ...request, answer: rewrite.text(request.answer) };
  return { ...request, response: rewritten(request.response, rewrite) };
}

/** Looks at what users write, as the file says now: patterns first, then moderation, then the hooks. */
export function createContentGuard({
  file,
  moderation,
  hooks,
  run,
}: ContentGuardDeps): ContentGuard {
  function withoutPii(text: string): string {
    const { pii } = file.current.content;
    const kindsFor = (action: 'refuse' | 'mask'): Set<PiiKind> =>
      new Set(pii.filter((rule) => rule.action === action).map(({ kind }) => kind));
    const refused = kindsFor('refuse');
    const found = findPii(text, new Set(pii.map(({ kind }) => kind)));
    const kinds = found.map(({ kind }) => kind).filter((kind) => refused.has(kind));
    if (kinds.length > 0) throw refusal(kinds);
    return mask(text, found);
  }

  async function moderate(texts: readonly string[]): Promise<void> {
    if (!file.current.content.moderation) return;
    const words = texts.filter((text) => text.trim() !== '');
    if (words.length === 0) return;
    const flagged = (await moderation.flagged(words)).flat();
    if (flagged.length > 0) throw refusal(flagged);
  }

  async function hooked(text: string, said: Said): Promise<string> {
    let current = text;
    for (const hook of hooks) {
      const ruling = await run(hook, { ...said, text: current });
      if ('refuse' in ruling) throw refusal(['policy'], ruling.refuse);
      current = ruling.text ?? current;
    }
    return current;
  }

  /** As they may be kept, in their order. */
  async function checked(texts: readonly string[], said: Said): Promise<string[]> {
    const plain = texts.map(withoutPii);
    await moderate(plain);
    const kept: string[] = [];
    for (const text of plain) kept.push(text === '' ? text : await hooked(text, said));
    return kept;
  }

  async function one(text: string, said: Said): Promise<string> {
    const [kept = ''] = await checked([text], said);
    if (kept.trim() === '') throw refusal(['policy']);
    return kept;
  }

  return {
    turn: (owner, text) => one(text, { kind: 'turn', owner }),
    title: (owner, text) => one(text, { kind: 'title', owner }),
    history: (owner, texts) => checked(texts, { kind: 'turn', owner }),
    async answer({ tenantId, userId }, request) {
      const texts = [...new Set(textsOf(wordsOf(request)))];
      const kept = await checked(texts, { kind: 'answer', owner: { tenantId, userId } });
      const byText = new Map(texts.map((text, at) => [text, kept[at] ?? text]));
      return answerWith(request, { text: (text) => byText.get(text) ?? text, name: withoutPii });
    },
  };
}
