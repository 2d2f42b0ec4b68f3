import { describe, expect, test } from '@jest/globals';
import { Error as MongooseErrors, mongo } from 'mongoose';
import { isUnavailable, notFound } from '../../../src/errors.ts';
import { standingOf } from '../../../src/store/mongo/connection.ts';
import { asStoreError } from '../../../src/store/mongo/errors.ts';
import { slotToTry } from '../../../src/store/mongo/job-slots.ts';

const server = (code: number, labels: string[] = []) =>
  new mongo.MongoServerError({ message: `code ${code}`, code, errorLabels: labels });
const node = (code: string) => Object.assign(new Error(code), { code });
const named = (name: string) => Object.assign(new Error(name), { name });

describe('errors of MongoDB', () => {
  test.each<[string, Error]>([
    ['the network', new mongo.MongoNetworkError('reset')],
    ['a socket without an answer', new mongo.MongoNetworkTimeoutError('timed out')],
    ['no server', new MongooseErrors.MongooseServerSelectionError('none')],
    ['a closed client', new mongo.MongoClientClosedError()],
    ['a cleared pool', named('MongoPoolClearedError')],
    ['a full pool', named('MongoWaitQueueTimeoutError')],
    ['a broken socket', node('ECONNRESET')],
    ['a closed pipe', node('EPIPE')],
    ['not primary', server(10_107)],
    ['stepping down', server(189)],
    ['shutting down', server(91)],
    ['a lost cursor', server(43)],
    ['over its time', server(50)],
    ['a write concern not reached', server(64)],
    ['what the server calls worth another try', server(1, ['RetryableWriteError'])],
  ])('%s: unavailable, with its cause', (_, error) => {
    const mapped = asStoreError(error);

    expect(isUnavailable(mapped)).toBe(true);
    expect(mapped).toMatchObject({ cause: error });
  });

  test.each<[string, unknown]>([
    ['a duplicate key', server(11_000)],
    ['a bad query', server(2)],
    ['no rights', server(13)],
    ['too large', server(10_334)],
    ['a wrong argument', new mongo.MongoInvalidArgumentError('no')],
    ['a wrong field', new MongooseErrors.StrictModeError('other')],
    ['a bug', new TypeError('bug')],
    ['an error of ours', notFound('stream')],
    ['no error at all', 'text'],
  ])('%s stays what it is', (_, error) => {
    expect(asStoreError(error)).toBe(error);
  });
});

describe('what a server is', () => {
  test.each([
    [{ isWritablePrimary: true, setName: 'rs0' }, 'replicated'],
    [{ isWritablePrimary: true, msg: 'isdbgrid' }, 'replicated'],
    [{ isWritablePrimary: true }, 'standalone'],
    [{ isWritablePrimary: false, secondary: true, setName: 'rs0' }, 'read_only'],
    [{}, 'read_only'],
  ])('%j: %s', (hello, standing) => {
    expect(standingOf(hello)).toBe(standing);
  });
});

const tried = (used: (number | undefined)[], max: number) =>
  [0, 0.25, 0.5, 0.75, 0.999].map((chance) => slotToTry(used, max, { attempt: 1, chance }));

describe('the number of a slot', () => {
  const first = { attempt: 0, chance: 0.99 };

  test.each<[string, (number | undefined)[], number, number | undefined]>([
    ['the first one', [], 1, 0],
    ['the lowest that is free', [0, 2], 3, 1],
    ['none at the limit', [0, 1], 2, undefined],
    ['none past it', [0, 1, undefined], 2, undefined],
    ['none with a limit of nothing', [], 0, undefined],
    ['a job without a number takes one away', [undefined, 0], 2, undefined],
    ['and not its number', [undefined], 2, 0],
  ])('%s', (_, used, max, number) => {
    expect(slotToTry(used, max, first)).toBe(number);
  });

  test('contenders that lost spread out, over no more numbers than are left', () => {
    expect(tried([0], 100)).toEqual([1, 3, 5, 7, 9]);
    expect(tried([1, undefined], 4)).toEqual([0, 0, 2, 2, 2]);
  });
});
