import { connectMongo, createMongoJobStore, mongoTime } from '../../src/store/mongo/index.ts';
import type { PausedJob } from '../../src/stream/job.ts';
import type { JobStore } from '../../src/stream/job-store.ts';
import { request, type Turn } from './api.ts';
import type { Cluster } from './cluster.ts';
import { silent } from './mongo-service.ts';
import { eventually } from './services.ts';

/** A pause lasts as long as its policy says: so that many end in the same moment, their records are given one. */

const AT_ONCE = 16;
/** For reading and writing one record on a busy machine, ms. */
const PER_RECORD = 12;
const PATIENCE_MS = 120_000;

async function pausedJob(jobs: JobStore, { generationId }: Turn): Promise<PausedJob> {
  let paused: PausedJob | undefined;
  await eventually(
    'it is paused and announced',
    async () => {
      const job = await jobs.get(generationId);
      if (job?.status === 'paused' && job.lease === null) paused = job;
      return paused !== undefined;
    },
    PATIENCE_MS,
  );
  if (!paused) throw new Error('never paused');
  return paused;
}

/** Gives all their one moment of expiry, soon: epoch ms by the clock of the store. */
export async function expireTogether(cluster: Cluster, turns: readonly Turn[]): Promise<number> {
  const uri = cluster.env['MONGODB_URI'] ?? '';
  const mongo = await connectMongo({ uri, log: silent, deadline: 30_000 });
  try {
    const jobs = createMongoJobStore({ mongo, now: mongoTime(mongo) });
    // Nobody but us writes to a pause that was announced.
    const waiting: PausedJob[] = [];
    for (const turn of turns) waiting.push(await pausedJob(jobs, turn));
    const moment = (await jobs.now()) + 3_000 + PER_RECORD * turns.length;
    const expiresAt = new Date(moment).toISOString();
    let next = 0;
    const writer = async (): Promise<void> => {
      for (let job = waiting[next++]; job; job = waiting[next++]) {
        const changed = { ...job, action: { ...job.action, expiresAt }, version: job.version + 1 };
        const { outcome } = await jobs.compareAndSet(changed, job.version);
        if (outcome !== 'stored') throw new Error(`${job.generationId}: ${outcome}`);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, writer));
    const late = (await jobs.now()) - moment;
    if (late > 0) throw new Error(`the last record was written ${late} ms after its expiry`);
    return moment;
  } finally {
    await mongo[Symbol.asyncDispose]();
  }
}

/** Generations that expired, by the metrics of all replicas. */
export async function finishedIn({ urls }: Cluster): Promise<number> {
  let sum = 0;
  for (const baseUrl of urls) {
    const { text } = await request(baseUrl, { path: '/metrics' });
    const count = /^holdfast_generations_finished_total\{outcome="expired"\} (\d+)$/m.exec(text);
    sum += Number(count?.[1] ?? 0);
  }
  return sum;
}
