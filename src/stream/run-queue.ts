import type { Log } from '../lib/log.ts';
import { GenerationWorker, type WorkerDeps } from './generation-worker.ts';
import type { Hints } from './hints.ts';
import { carryOut, carryOutOnce } from './job-command.ts';
import type { QueuedJob } from './job.ts';

export interface RunQueueDeps extends WorkerDeps {
  /** Runs that this process drives at once. */
  capacity: number;
  hints: Hints;
  log: Log;
}

/**
 * Claims queued generations for this process, first in first out, as long as it has a free slot. A slot is an entry in
 * this map and nothing else: it can't outlive the process that holds it, and there is no counter to go wrong.
 */
export class RunQueue implements AsyncDisposable {
  readonly #deps: RunQueueDeps;
  readonly #workers = new Map<string, GenerationWorker>();
  /** Claims under way. */
  readonly #claims = new Map<string, Promise<boolean>>();
  /** Generations by id that a failed claim may have got: nobody drives them, and their lease runs. */
  readonly #doubtful = new Map<string, QueuedJob>();
  #closed = false;
  #filling: Promise<void> | undefined;
  #again = false;

  constructor(deps: RunQueueDeps) {
    this.#deps = deps;
  }

  get free(): number {
    return this.#closed ? 0 : this.#deps.capacity - this.#workers.size;
  }

  get size(): number {
    return this.#workers.size;
  }

  /** The worker that drives the generation here; undefined: none. */
  worker(generationId: string): GenerationWorker | undefined {
    return this.#workers.get(generationId);
  }

  /** Stops the run that is driven here, or just being claimed. */
  async halt(generationId: string): Promise<void> {
    await this.#claims.get(generationId)?.catch(() => false);
    await this.#workers.get(generationId)?.halt();
  }

  /** Stops a run that was claimed here before this fence. */
  async haltBefore(generationId: string, fence: number): Promise<void> {
    const worker = this.#workers.get(generationId);
    if (worker && worker.job.fence < fence) await worker.halt();
  }

  /** Something became claimable. What can't be claimed here, another replica may have a slot for. */
  offer(): void {
    if (this.free <= 0) this.#deps.hints.publish({ type: 'queued' });
    this.poke();
  }

  /** Something may be claimable. Never rejects: what fails now is found again by the next scan. */
  poke(): void {
    if (this.#closed) return;
    if (this.#filling) {
      this.#again = true;
      return;
    }
    this.#filling = this.#fill()
      .catch((err: unknown) => this.#deps.log.error({ err }, 'claiming failed'))
      .finally(() => {
        this.#filling = undefined;
        if (!this.#again) return;
        this.#again = false;
        this.poke();
      });
  }

  async #fill(): Promise<void> {
    for (const job of this.#doubtful.values()) await this.#giveBack(job);
    while (this.free > 0) {
      const queued = await this.#deps.jobs.claimable(this.free);
      let claimed = 0;
      for (const job of queued) {
        const claim = this.#claim(job).finally(() => this.#claims.delete(job.generationId));
        this.#claims.set(job.generationId, claim);
        if (await claim) claimed += 1;
      }
      if (claimed === 0) return;
    }
  }

  async #claim(job: QueuedJob): Promise<boolean> {
    const { jobs, driver, leaseTtl, metrics } = this.#deps;
    const { generationId } = job;
    // An aborted run may still be letting go of its slot here.
    if (this.free <= 0 || this.#workers.has(generationId)) return false;
    const now = await jobs.now();
    const actor = { driver, leaseTtl, now };
    const claimed = await carryOut(jobs, generationId, { type: 'claim', actor }).catch(
      (error: unknown) => {
        this.#doubtful.set(generationId, job);
        throw error;
      },
    );
    if (claimed.outcome !== 'moved' || claimed.job.status !== 'running') return false;
    metrics.queueWaited(now - job.queuedAt);
    const worker = new GenerationWorker(claimed.job, this.#deps);
    this.#workers.set(generationId, worker);
    metrics.inFlight(this.#workers.size);
    void this.#leave(worker);
    return true;
  }

  /** T16 for a claim that got through although its answer did not. */
  async #giveBack({ generationId, fence }: QueuedJob): Promise<void> {
    const { jobs, driver } = this.#deps;
    const job = await jobs.get(generationId);
    const ours = job?.status === 'running' && job.lease.driver === driver;
    if (ours && job.fence === fence + 1 && !this.#workers.has(generationId)) {
      await carryOutOnce(jobs, job, { type: 'hand_over', fence: job.fence, now: await jobs.now() });
    }
    this.#doubtful.delete(generationId);
  }

  async #leave(worker: GenerationWorker): Promise<void> {
    await worker.over;
    this.#workers.delete(worker.job.generationId);
    this.#deps.metrics.inFlight(this.#workers.size);
    this.poke();
  }

  /** Claims nothing any more and asks every run to stop at its next step boundary. */
  drain(): void {
    this.#closed = true;
    for (const worker of this.#workers.values()) worker.drain();
  }

  /** Resolves when nothing is driven here. */
  async idle(): Promise<void> {
    await this.#filling;
    await Promise.all([...this.#workers.values()].map((worker) => worker.over));
  }

  /** Hands over what still runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.drain();
    await this.#filling;
    const left = [...this.#workers.values()];
    await Promise.all(left.map((worker) => worker.handOver()));
    await Promise.all(left.map((worker) => worker.over));
  }
}
