import { MongoClient } from 'mongodb';
import { object, type Shape, text } from './shape.ts';

/** Looks into the cluster's MongoDB past the product: what a process that is gone, or comes back, left and changed. */
export class Records implements AsyncDisposable {
  readonly #client: MongoClient;

  /** `uri`: of the replicas, with their database. */
  constructor(uri: string) {
    this.#client = new MongoClient(uri);
  }

  /** The record of a generation. */
  async job(generationId: string): Promise<Shape> {
    const jobs = this.#client.db().collection<{ _id: string; record: string }>('jobs');
    const found = await jobs.findOne({ _id: generationId });
    if (!found) throw new Error(`no record of ${generationId}`);
    const record: unknown = JSON.parse(text(found.record, 'record'));
    return object(record, 'record');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.close();
  }
}
