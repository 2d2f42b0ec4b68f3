import { jest } from '@jest/globals';
import type { Model } from 'mongoose';
import type { IndexSpec } from '../../src/store/mongo/index.ts';

/** A query as the store sent it. */
export interface SentQuery {
  where: Readonly<Record<string, unknown>>;
  sort: Readonly<Record<string, number>>;
}

const isOperator = (value: unknown): boolean => typeof value === 'object' && value !== null;

/** A partial index holds every match only if the filter implies its condition. */
function holdsAll({ partial = {} }: IndexSpec, { where }: SentQuery): boolean {
  return Object.entries(partial).every(([field, wanted]) =>
    isOperator(wanted) ? where[field] !== undefined : where[field] === wanted,
  );
}

/** Can the index be entered by the filter and give the documents in the order asked for, without sorting? */
function serves(index: IndexSpec, query: SentQuery): boolean {
  const keys = Object.keys(index.keys);
  const [first = ''] = keys;
  if (query.where[first] === undefined || !holdsAll(index, query)) return false;
  const equal = (key: string): boolean =>
    query.where[key] !== undefined && !isOperator(query.where[key]);
  const rest = keys.slice(keys.findIndex((key) => !equal(key)));
  const order = Object.entries(query.sort);
  const directions = new Set(order.map(([key, way]) => way * (index.keys[key] ?? 0)));
  return order.every(([key], at) => key === rest[at]) && directions.size <= 1;
}

/** Names of the indexes that serve a query by their definition, whatever the server's planner then chooses. */
export function servedBy(indexes: readonly IndexSpec[], query: SentQuery): string[] {
  const own: IndexSpec = { collection: '', name: '_id_', keys: { _id: 1 } };
  return [own, ...indexes].filter((index) => serves(index, query)).map(({ name }) => name);
}

/** What a call asks of the collection; first what it reads, then what it writes. */
export async function queriesOf(
  model: Model<unknown>,
  call: () => Promise<unknown>,
): Promise<SentQuery[]> {
  const spies = [
    jest.spyOn(model, 'find'),
    jest.spyOn(model, 'countDocuments'),
    jest.spyOn(model, 'updateOne'),
    jest.spyOn(model, 'deleteMany'),
  ];
  try {
    await call();
    return spies.flatMap((spy) => spy.mock.calls.map((args: unknown[]) => asQuery(args)));
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

function asQuery([where, , options]: unknown[]): SentQuery {
  const { sort } = entriesOf(options);
  const ways = Object.entries(entriesOf(sort)).map(([key, way]) => [key, Number(way)]);
  return { where: entriesOf(where), sort: Object.fromEntries(ways) };
}

function entriesOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
