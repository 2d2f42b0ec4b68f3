import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { JobStore } from '../../src/stream/job-store.ts';
import type { FakeClock } from '../support/fake-clock.ts';
import { describeCompareAndSetAll } from './job-store-batch.ts';
import type { UnderTest } from './job-store-kit.ts';
import { describeQueries, describeTime } from './job-store-queries.ts';
import { describeRaces } from './job-store-races.ts';
import { describeSteers } from './job-store-steers.ts';
import { describeCompareAndSet, describeInsert } from './job-store-writes.ts';

/** What every `JobStore` must do (src/stream/job-store.ts), whatever keeps it. */

export interface JobStoreFixture {
  store: JobStore;
  /** The store's own clock. */
  clock: FakeClock;
  destroy(): void | Promise<void>;
}

export interface JobStoreSuite {
  name: string;
  create: () => JobStoreFixture | Promise<JobStoreFixture>;
}

export function describeJobStore({ name, create }: JobStoreSuite): void {
  describe(`JobStore: ${name}`, () => {
    let fixture: JobStoreFixture;
    const at: UnderTest = {
      get jobs() {
        return fixture.store;
      },
      get clock() {
        return fixture.clock;
      },
    };

    beforeEach(async () => {
      fixture = await create();
    });

    afterEach(async () => {
      await fixture.destroy();
    });

    describeInsert(at);
    describeCompareAndSet(at);
    describeCompareAndSetAll(at);
    describeSteers(at);
    describeQueries(at);
    describeTime(at);
    describeRaces(at);

    test('answers a ping', async () => {
      await expect(at.jobs.ping()).resolves.toBeUndefined();
    });
  });
}
