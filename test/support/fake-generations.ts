import { AppError, notFound } from '../../src/errors.ts';
import type {
  ConversationRecord,
  ConversationStore,
  Page,
  PageRequest,
} from '../../src/stream/conversation-store.ts';
import type {
  Aborted,
  ActiveGeneration,
  AgainRequest,
  ConversationStatus,
  Decider,
  ForkRequest,
  FrameSink,
  Generations,
  ReadFrom,
  Resumed,
  ResumeRequest,
  Started,
  StartRequest,
  Subscribed,
  Target,
} from '../../src/stream/generations.ts';
import type { Owner } from '../../src/stream/job.ts';
import type { Conversation, Message } from '../../src/stream/message.ts';
import type { Link } from '../../src/stream/message-tree.ts';

/** The heart as the HTTP side sees it, scripted: what was asked is recorded, what is answered is the test's. */

export interface FakeReader {
  sink: FrameSink;
  drained: number;
  closed: number;
}

function sameOwner(a: Owner, b: Owner): boolean {
  return a.tenantId === b.tenantId && a.userId === b.userId;
}

export class FakeGenerations implements Generations {
  readonly calls: { name: keyof Generations; owner: Owner; args: unknown[] }[] = [];
  readonly readers: FakeReader[] = [];
  readonly #owners = new Map<string, Owner>();
  #refusals: Error[] = [];
  #count = 0;
  /** Called with each new reader: what the log has to say at once. */
  onOpen: (sink: FrameSink) => void = () => {};
  atEnd = false;
  /** So many subscriptions are told to come later. */
  later = 0;
  repeated = false;
  /** Messages are handed to the generation that was started last. */
  steers = false;

  /** The next call fails with this. */
  refuse(error: Error): void {
    this.#refusals.push(error);
  }

  called(name: keyof Generations): unknown[][] {
    return this.calls.filter((call) => call.name === name).map((call) => call.args);
  }

  #record(name: keyof Generations, owner: Owner, ...args: unknown[]): void {
    this.calls.push({ name, owner, args });
    const refusal = this.#refusals.shift();
    if (refusal !== undefined) throw refusal;
  }

  #own(owner: Owner, id: string, what: 'stream' | 'generation' | 'conversation'): void {
    const held = this.#owners.get(id);
    if (held === undefined || !sameOwner(held, owner)) throw notFound(what);
  }

  async start(owner: Owner, request: StartRequest): Promise<Started> {
    this.#record('start', owner, request);
    if (!this.steers) this.#count += 1;
    const generationId = `gen_${this.#count}`;
    const conversationId = request.conversationId ?? `conv_${this.#count}`;
    if (request.conversationId !== undefined) this.#own(owner, conversationId, 'conversation');
    this.#owners.set(generationId, owner).set(conversationId, owner);
    return {
      generationId,
      streamId: generationId,
      conversationId,
      messageId: request.messageId ?? `msg_${this.#count}`,
      responseMessageId: `msg_${this.#count}_answer`,
      status: this.steers ? 'steered' : 'started',
    };
  }

  async again(owner: Owner, request: AgainRequest): Promise<Started> {
    this.#record('again', owner, request);
    const { conversationId, target: messageId } = request;
    this.#own(owner, conversationId, 'conversation');
    this.#count += 1;
    const generationId = `gen_${this.#count}`;
    this.#owners.set(generationId, owner);
    const responseMessageId = `msg_${this.#count}_answer`;
    const ids = { generationId, streamId: generationId, conversationId, messageId };
    return { ...ids, responseMessageId, status: 'started' };
  }

  async fork(owner: Owner, request: ForkRequest): Promise<Conversation> {
    this.#record('fork', owner, request);
    const at = '2026-01-01T00:00:00.000Z';
    const known = { title: null, temporary: false, createdAt: at, updatedAt: at };
    return { conversationId: 'fork_1', ...known };
  }

  async liveAnswers(): Promise<Link[]> {
    return [];
  }

  /** The call's `owner` is the whole person. */
  async resume(by: Decider, request: ResumeRequest): Promise<Resumed> {
    this.#record('resume', by, request);
    const byGeneration = 'generationId' in request;
    const id = byGeneration ? request.generationId : request.conversationId;
    this.#own(by, id, byGeneration ? 'generation' : 'conversation');
    return {
      generationId: id,
      streamId: id,
      conversationId: 'conv_1',
      status: 'resuming',
      repeated: this.repeated,
    };
  }

  async abort(owner: Owner, target: Target): Promise<Aborted> {
    this.#record('abort', owner, target);
    const id = 'generationId' in target ? target.generationId : target.conversationId;
    this.#own(owner, id, 'generation');
    return { generationId: id, status: 'aborted', alreadyFinished: false };
  }

  async status(owner: Owner, conversationId: string): Promise<ConversationStatus> {
    this.#record('status', owner, conversationId);
    this.#own(owner, conversationId, 'conversation');
    return { conversationId, active: false };
  }

  async active(owner: Owner): Promise<ActiveGeneration[]> {
    this.#record('active', owner);
    return [...this.#owners]
      .filter(([id, held]) => id.startsWith('gen_') && sameOwner(held, owner))
      .map(([generationId]) => ({
        generationId,
        conversationId: 'conv_1',
        status: 'running',
        startedAt: '2026-01-01T00:00:00.000Z',
      }));
  }

  async subscribe(owner: Owner, streamId: string, from: ReadFrom): Promise<Subscribed> {
    this.#record('subscribe', owner, streamId, from);
    this.#own(owner, streamId, 'stream');
    if (this.atEnd) return { outcome: 'at_end' };
    if (this.later > 0) {
      this.later -= 1;
      return { outcome: 'later' };
    }
    return {
      outcome: 'open',
      open: (sink) => {
        const reader: FakeReader = { sink, drained: 0, closed: 0 };
        this.readers.push(reader);
        this.onOpen(sink);
        return {
          drained: () => void (reader.drained += 1),
          close: () => void (reader.closed += 1),
        };
      },
    };
  }

  async deleteConversation(owner: Owner, conversationId: string): Promise<void> {
    this.#record('deleteConversation', owner, conversationId);
  }
}

const unused = (): never => {
  throw new Error('the HTTP side never calls this');
};

/** Enough of the store for the conversations' routes. */
export class FakeConversations implements ConversationStore {
  readonly records = new Map<string, ConversationRecord>();
  readonly pages: PageRequest[] = [];
  /** Of every conversation. */
  tree: Message[] = [];

  allOf = unused;

  async links(): Promise<Link[]> {
    return this.tree;
  }

  async some(_conversationId: string, ids: readonly string[]): Promise<Message[]> {
    return ids.flatMap((id) => this.tree.find(({ messageId }) => messageId === id) ?? []);
  }

  add(conversationId: string, owner: Owner, purgeAt: number | null = null): void {
    this.records.set(conversationId, {
      conversationId,
      owner,
      purgeAt,
      title: null,
      temporary: purgeAt !== null,
      createdAt: '2026-01-01T00:00:00.000Z',
      updatedAt: '2026-01-01T00:00:00.000Z',
    });
  }

  async get(conversationId: string): Promise<ConversationRecord | undefined> {
    return this.records.get(conversationId);
  }

  async list(owner: Owner, page: PageRequest): Promise<Page<Conversation>> {
    this.#turn(page);
    const items = [...this.records.values()]
      .filter((record) => sameOwner(record.owner, owner))
      .map(({ owner: _owner, purgeAt: _purgeAt, ...conversation }) => conversation);
    return { items: items.slice(0, page.limit), nextCursor: null };
  }

  async messages(_conversationId: string, page: PageRequest): Promise<Page<Message>> {
    this.#turn(page);
    return { items: [], nextCursor: null };
  }

  #turn(page: PageRequest): void {
    this.pages.push(page);
    if (page.cursor !== undefined && !page.cursor.startsWith('page-')) {
      throw new AppError('INVALID_REQUEST', 'The cursor is not one of ours.');
    }
  }

  async setTitle(conversationId: string, title: string): Promise<ConversationRecord | undefined> {
    const record = this.records.get(conversationId);
    if (record !== undefined) record.title = title;
    return record;
  }

  ensure = unused;
  touch = unused;
  condemn = unused;
  keep = unused;
  delete = unused;
  purgeable = unused;
  idleSince = unused;
  upsertMessage = unused;
  message = unused;
  lastMessage = unused;
  branch = unused;
  ping = unused;
}
