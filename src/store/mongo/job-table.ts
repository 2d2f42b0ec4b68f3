import { trusted, type Model } from 'mongoose';
import type { Job, QueuedJob } from '../../stream/job.ts';
import type { MongoConnection } from './connection.ts';
import { duplicateFields, failedWrites } from './errors.ts';
import {
  JOB_FIELDS,
  JOBS,
  jobIn,
  newDocument,
  updateTo,
  type JobDocument,
  type JobUpdate,
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

/** One of many writes: to the document with this id, if it has this version. */
export interface Replacement {
  id: string;
  expected: number;
  /** `$set.batch` is this write's own name. */
  update: JobUpdate;
}

export type WrittenDocument = Pick<JobDocument, 'record' | 'version' | 'batch'>;

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

  /**
   * In one round trip. Which of them found their document is not said, only how many did: `matched`. `failed`: places of
   * those that wrote nothing because an index refused them, or something else that is theirs alone.
   */
  async replaceAll(
    replacements: readonly Replacement[],
  ): Promise<{ matched: number; failed: ReadonlySet<number> }> {
    const writes = replacements.map(({ id, expected, update }) => ({
      updateOne: { filter: { _id: id, version: expected }, update },
    }));
    return this.#mongo.run(async () => {
      // The driver's own: the model looks through every update once more, and these are of our making to the last field.
      const documents = this.#mongo.db.collection<JobDocument>(JOBS);
      try {
        const { matchedCount } = await documents.bulkWrite(writes, { ordered: false });
        return { matched: matchedCount, failed: new Set() };
      } catch (error) {
        const some = failedWrites(error);
        if (!some) throw error;
        return some;
      }
    });
  }

  /** The documents of these ids that are there. */
  async written(ids: string[]): Promise<Map<string, WrittenDocument>> {
    const documents = await this.#mongo.run(() =>
      this.#model
        .find({ _id: oneOf(ids) }, { record: 1, version: 1, batch: 1 })
        .lean<(WrittenDocument & { _id: string })[]>()
        .exec(),
    );
    return new Map(documents.map(({ _id: id, ...rest }) => [id, rest]));
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
