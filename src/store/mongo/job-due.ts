import { trusted } from 'mongoose';
import type { Job } from '../../stream/job.ts';
import { jobIn, type JobDocument } from './job-document.ts';
import { atMost, oneOf, present, type JobTable } from './job-table.ts';

/** Waiting jobs are looked at by so many at a time, and so many times in one call at most. */
const PAGE = 500;
const PAGES = 20;

interface Place {
  since: number;
  id: string;
}
interface Waiting extends Place {
  conversation: string;
}
interface Business extends Place {
  at: number;
  job: Job;
}

const START: Place = { since: Number.MIN_SAFE_INTEGER, id: '' };

/**
 * What time has made somebody's business. Two indexes give it: one has every job with a time, in the order of those
 * times; the other every waiting job, for which it must be seen whether its conversation has an active one. There are
 * seldom many waiting ones; a call looks at 10,000 and the next one goes on from there, so each one's turn comes.
 */
export class DueJobs {
  readonly #table: JobTable;
  /** Where the next call goes on. */
  #next: Place = START;

  constructor(table: JobTable) {
    this.#table = table;
  }

  /** The oldest business first, whatever its kind: none can starve another. */
  async find(now: number, limit: number): Promise<Job[]> {
    const [timed, orphans] = await Promise.all([this.#timed(now, limit), this.#orphans(limit)]);
    const due = [...timed, ...orphans].toSorted(
      (a, b) => a.since - b.since || a.at - b.at || (a.id < b.id ? -1 : 1),
    );
    return due.slice(0, limit).map(({ job }) => job);
  }

  async #timed(now: number, limit: number): Promise<Business[]> {
    const rows = await this.#table.fields(
      { where: { dueAt: atMost(now) }, sort: { dueAt: 1, at: 1, _id: 1 }, limit },
      ['_id', 'dueAt', 'at', 'record'],
    );
    return rows.map((row) => business(row, row.dueAt));
  }

  /** Jobs that wait for nobody; as they are now, for their conversation may have come to life meanwhile. */
  async #orphans(limit: number): Promise<Business[]> {
    const ids = (await this.#scan(limit)).map(({ id }) => id);
    if (ids.length === 0) return [];
    const rows = await this.#table.fields({ where: { _id: oneOf(ids), waitingSince: present() } }, [
      '_id',
      'waitingSince',
      'at',
      'record',
    ]);
    return rows.map((row) => business(row, row.waitingSince));
  }

  async #scan(limit: number): Promise<Waiting[]> {
    const found: Waiting[] = [];
    let from = this.#next;
    for (let pages = 0; pages < PAGES; pages += 1) {
      const page = await this.#waitingAfter(from);
      found.push(...(await this.#behindNobody(page)));
      const last = page.at(-1);
      from = last && page.length === PAGE && found.length < limit ? last : START;
      if (from === START) break;
    }
    this.#next = from;
    return found.slice(0, limit);
  }

  async #waitingAfter({ since, id }: Place): Promise<Waiting[]> {
    const later = { waitingSince: trusted({ $gt: since }) };
    const same = { waitingSince: since, _id: trusted({ $gt: id }) };
    const rows = await this.#table.fields(
      {
        // The range is what the index is entered by; the rest leaves out those of the same moment that were seen.
        where: { waitingSince: trusted({ $gte: since }), $or: [later, same] },
        sort: { waitingSince: 1, _id: 1 },
        limit: PAGE,
      },
      ['_id', 'waitingSince', 'conversation'],
    );
    return rows.map(({ _id: id = '', waitingSince = 0, conversation = '' }) => ({
      since: waitingSince,
      id,
      conversation,
    }));
  }

  async #behindNobody(page: Waiting[]): Promise<Waiting[]> {
    if (page.length === 0) return [];
    const conversations = [...new Set(page.map(({ conversation }) => conversation))];
    const lanes = await this.#table.fields({ where: { lane: oneOf(conversations) } }, ['lane']);
    const taken = new Set(lanes.map(({ lane }) => lane));
    return page.filter(({ conversation }) => !taken.has(conversation));
  }
}

function business(row: Partial<JobDocument>, since = 0): Business {
  const { _id: id = '', at = 0, record = '' } = row;
  return { since, id, at, job: jobIn({ record }) };
}
