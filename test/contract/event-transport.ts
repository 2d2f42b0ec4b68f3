import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { EventTransport } from '../../src/stream/event-transport.ts';
import type { UnderTest } from './event-transport-kit.ts';
import { describeLogModel } from './event-transport-model.ts';
import { describeLogReads } from './event-transport-reads.ts';
import { describeLogWatch } from './event-transport-watch.ts';
import { describeLogWrites } from './event-transport-writes.ts';

/** What every `EventTransport` must do (src/stream/event-transport.ts), whatever keeps it. */

export interface TransportFixture {
  transport: EventTransport;
  destroy(): void | Promise<void>;
}

export interface TransportSuite {
  name: string;
  create: () => TransportFixture | Promise<TransportFixture>;
}

export function describeEventTransport({ name, create }: TransportSuite): void {
  describe(`EventTransport: ${name}`, () => {
    let fixture: TransportFixture;
    const at: UnderTest = {
      get log() {
        return fixture.transport;
      },
    };

    beforeEach(async () => {
      fixture = await create();
    });

    afterEach(async () => {
      await fixture.destroy();
    });

    describeLogWrites(at);
    describeLogReads(at);
    describeLogWatch(at);
    describeLogModel(at);

    test('answers a ping', async () => {
      await expect(at.log.ping()).resolves.toBeUndefined();
    });
  });
}
