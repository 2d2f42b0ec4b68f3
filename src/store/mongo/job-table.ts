import { trusted, type Model } from 'mongoose';
import type { Job, QueuedJob } from '../../stream/job.ts';
import type { MongoConnection } from './connection.ts';
import { duplicateFields } from './errors.ts';
import {
  JOB_FIELDS,
  JOBS,
  jobIn,
  newDocument,
  updateTo,
  type JobDocument,
} from './job-document.ts';

type Fields = Partial<JobDocument>;
/** A range or a list; a bare operator in a filter is taken for a value (`sanitizeFilter`). */
type Condition = Record<string, string | number | boolean | object>;

export interface Query {
  where: Condition;
  sort?: Record<string, 1 | -1>;
  limit?: number;
}

/** What the unique indexes say to a write. */
export type Written = 'written' | 'not_there' | { taken: string[] };

export const atMost = (value: number | string): object => trusted({ $lte: value });
export const below = (value: number): object => trusted({ $lt: value });
export const oneOf = (values: string[]): object => trusted({ $in: values });

const byId = (id: string): Condition => ({ _id: id });

export const present = (): object => trusted({ $exists: true });

/** The commands of the job store, each of them one round trip and atomic. */
export class JobTable {
  readonly #mongo: MongoConnection;
  readonly #model: Model<JobDocument>;

  constructor(mongo: MongoConnection) {
    this.#mongo = mongo;
    this.#model = mongo.model<JobDocument>(JOBS, JOB_FIELDS);
  }

  async insert(job: QueuedJob, place: { at: number; slot: number }): Promise<Written> {
    const document = newDocument(job, place);
    return this.#unlessTaken(async () => {
      await this.#model.create(document);
      return 'written';
    });
  }

  async replace(id: string, next: Job, expected: number): Promise<Written> {
    const update = updateTo(next);
    return this.#unlessTaken(async () => {
      const { matchedCount } = await this.#model.updateOne({ _id: id, version: expected }, update);
      return matchedCount > 0 ? 'written' : 'not_there';
    });
  }

  async one(where: Condition, sort: Record<string, 1 | -1> = {}): Promise<Job | undefined> {
    const [job] = await this.many({ where, sort, limit: 1 });
    return job;
  }

  async get(id: string): Promise<Job | undefined> {
    return this.one(byId(id));
  }

  async many(query: Query): Promise<Job[]> {
    return (await this.fields(query, ['record'])).map(({ record = '' }) => jobIn({ record }));
  }

  /** Only these fields: what an index holds needs no document. */
  async fields(query: Query, names: (keyof JobDocument)[]): Promise<Fields[]> {
    const { where, sort = {}, limit } = query;
    if (limit === 0) return [];
    const projection = { _id: 0, ...Object.fromEntries(names.map((name) => [name, 1])) };
    return this.#mongo.run(() =>
      this.#model
        .find(where, projection, { sort, ...(limit === undefined ? {} : { limit }) })
        .lean<Fields[]>()
        .exec(),
    );
  }

  async count(where: Condition): Promise<number> {
    return this.#mongo.run(() => this.#model.countDocuments(where).exec());
  }

  async markLogDropped(id: string): Promise<void> {
    const finished = { _id: id, finishedAt: present() };
    await this.#mongo.run(() =>
      this.#model.updateOne(finished, { $set: { logDropped: true } }).exec(),
    );
  }

  async deleteConversation(conversation: string): Promise<void> {
    await this.#mongo.run(() => this.#model.deleteMany({ conversation }).exec());
  }

  async #unlessTaken(write: () => Promise<Written>): Promise<Written> {
    try {
      return await this.#mongo.run(write);
    } catch (error) {
      const taken = duplicateFields(error);
      if (!taken) throw error;
      return { taken };
    }
  }
}
