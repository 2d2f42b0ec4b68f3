import type { Titler } from '../agent/agent-runner.ts';
import type { Log } from '../lib/log.ts';
import type { ConversationStore } from './conversation-store.ts';
import type { Job } from './job.ts';

export interface TitlesDeps {
  titler: Titler;
  conversations: Pick<ConversationStore, 'setTitle'>;
  log: Log;
}

/** Names conversations from their first turn; one attempt at a time per generation, however many ask for it. */
export class Titles implements AsyncDisposable {
  readonly #deps: TitlesDeps;
  readonly #running = new Map<string, Promise<string | null>>();
  readonly #stop = new AbortController();

  constructor(deps: TitlesDeps) {
    this.#deps = deps;
  }

  /** Resolves with the title that the conversation has then; null where it gets none. Never rejects. */
  begin(job: Job): Promise<string | null> {
    if (!job.input.newConversation || job.input.temporary) return Promise.resolve(null);
    const known = this.#running.get(job.generationId);
    if (known) return known;
    const running = this.#make(job).finally(() => this.#running.delete(job.generationId));
    this.#running.set(job.generationId, running);
    return running;
  }

  async #make(job: Job): Promise<string | null> {
    try {
      const { signal } = this.#stop;
      const title = await this.#deps.titler.title(job.input.text, signal, {
        agentId: job.spec.agentId,
        owner: job.owner,
        generationId: job.generationId,
      });
      const saved = await this.#deps.conversations.setTitle(job.conversationId, title, 'generated');
      return saved?.title ?? null;
    } catch (err) {
      this.#deps.log.warn({ err, generationId: job.generationId }, 'no title');
      return null;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('shutting down'));
    await Promise.all(this.#running.values());
  }
}
