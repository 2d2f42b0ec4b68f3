import type { FileStore } from '../files/file-store.ts';
import type { ApprovalStore } from '../hitl/approval-store.ts';
import {
  publicConversation,
  type ConversationStore,
  type Page,
} from '../stream/conversation-store.ts';
import type { Job } from '../stream/job.ts';
import type { JobStore } from '../stream/job-store.ts';
import type { Owner } from '../stream/owner.ts';
import { steeredIn, unheard } from '../stream/unheard.ts';
import type { UsageStore } from '../usage/usage-store.ts';

export interface ExportDeps {
  conversations: Pick<ConversationStore, 'allOf' | 'messages'>;
  jobs: Pick<JobStore, 'allOf' | 'now'>;
  approvals: Pick<ApprovalStore, 'get' | 'audit' | 'rules'>;
  files: Pick<FileStore, 'list' | 'open'>;
  usage: Pick<UsageStore, 'list'>;
}

/** A line of an export; what else it has depends on its type (docs/PROTOCOL.md section 13). */
export type ExportLine = { type: string } & Record<string, unknown>;

const BATCH = 100;
/** Of a file in one line, bytes; a multiple of three, so that the lines' base64 can be put together. */
const DATA_BYTES = 48 * 1024;

async function* every<T>(
  list: (cursor: string | undefined) => Promise<Page<T>>,
): AsyncGenerator<T> {
  let cursor: string | undefined;
  do {
    const page = await list(cursor);
    yield* page.items;
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
}

function actionsOf(jobs: readonly Job[]): string[] {
  return jobs.flatMap((job) => [
    ...job.resolutions.map(({ actionId }) => actionId),
    ...(job.status === 'paused' ? [job.action.actionId] : []),
  ]);
}

/** Pieces of `DATA_BYTES`, the last one shorter. */
async function* inPieces(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let kept = Buffer.alloc(0);
  for await (const piece of bytes) {
    kept = Buffer.concat([kept, piece]);
    while (kept.length >= DATA_BYTES) {
      yield kept.subarray(0, DATA_BYTES);
      kept = kept.subarray(DATA_BYTES);
    }
  }
  if (kept.length > 0) yield kept;
}

/** All that there is of a user, piece by piece; the last line says how many came before it. */
export async function* exportOf(deps: ExportDeps, owner: Owner): AsyncGenerator<ExportLine> {
  const { tenantId, userId } = owner;
  const now = new Date(await deps.jobs.now()).toISOString();
  let lines = 1;
  yield { type: 'export', version: 1, tenantId, userId, createdAt: now };
  for (const part of [conversationLines, ruleLines, fileLines, usageLines]) {
    for await (const line of part(deps, owner)) {
      lines += 1;
      yield line;
    }
  }
  yield { type: 'end', lines };
}

async function* conversationLines(deps: ExportDeps, owner: Owner): AsyncGenerator<ExportLine> {
  const { conversations, jobs, approvals } = deps;
  const all = every((cursor) => conversations.allOf(owner, { limit: BATCH, cursor }));
  for await (const record of all) {
    const { conversationId } = record;
    yield { type: 'conversation', ...publicConversation(record) };
    const messages = every((cursor) =>
      conversations.messages(conversationId, { limit: BATCH, cursor }),
    );
    const shown: string[] = [];
    for await (const message of messages) {
      yield { type: 'message', ...message };
      shown.push(...steeredIn(message.content));
    }
    const records = await jobs.allOf(conversationId);
    yield* records.flatMap((job) => unheardLines(job, shown));
    for (const actionId of actionsOf(records)) {
      const approval = await approvals.get(actionId);
      if (!approval) continue;
      const { status, action } = approval;
      yield { type: 'approval', status, action, audit: await approvals.audit(actionId) };
    }
  }
}

/** What the user wrote to an answer that is being made, and no message shows yet. */
function unheardLines(job: Job, shown: readonly string[]): ExportLine[] {
  const { generationId } = job;
  return unheard(job, shown).map(({ messageId, text }) => {
    return { type: 'unheard', generationId, messageId, text };
  });
}

async function* ruleLines({ approvals }: ExportDeps, owner: Owner): AsyncGenerator<ExportLine> {
  const all = every((cursor) => approvals.rules(owner, { limit: BATCH, cursor }));
  for await (const rule of all) yield { type: 'rule', ...rule };
}

async function* fileLines({ files }: ExportDeps, owner: Owner): AsyncGenerator<ExportLine> {
  const all = every((cursor) => files.list(owner, { limit: BATCH, cursor }));
  for await (const { owner: _owner, ...file } of all) {
    // Deleted while it was read: it is no part of this.
    const bytes = await files.open(file.fileId);
    if (!bytes) continue;
    yield { type: 'file', ...file };
    let offset = 0;
    for await (const piece of inPieces(bytes)) {
      yield { type: 'file_data', fileId: file.fileId, offset, data: piece.toString('base64') };
      offset += piece.length;
    }
  }
}

async function* usageLines({ usage }: ExportDeps, owner: Owner): AsyncGenerator<ExportLine> {
  for (const day of await usage.list(owner, '0000-01-01', '9999-12-31')) {
    yield { type: 'usage', ...day };
  }
}
