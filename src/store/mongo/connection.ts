import { Mongoose, type Connection, type Model, type SchemaDefinition } from 'mongoose';
import type { Log } from '../../lib/log.ts';
import { unavailable } from '../../errors.ts';
import { storeTime } from '../store-time.ts';
import { asStoreError, MongoConfigError } from './errors.ts';

/** How long a call may take before it is given up, ms. */
const DEADLINE = 3_000;

/**
 * The driver's own limits within it. It may wait for a server, for a socket and for an answer, and then try once more,
 * so these alone would not bound a call.
 */
function driverLimits(deadline: number) {
  const most = Math.round(deadline * 0.8);
  return {
    serverSelectionTimeoutMS: most,
    connectTimeoutMS: most,
    /** Without an answer for so long a socket is thrown away: a server that hangs gives no error. */
    socketTimeoutMS: most,
    waitQueueTimeoutMS: most,
    /**
     * A monitor asks this often whether the server lives, and again at once when somebody waits for one. It asks,
     * because not every compatible server streams its state; a call that fails finds out by itself anyway.
     */
    serverMonitoringMode: 'poll' as const,
    heartbeatFrequencyMS: 2_000,
    maxPoolSize: 32,
    maxIdleTimeMS: 60_000,
  };
}

export interface MongoOptions {
  /** A `mongodb://` or `mongodb+srv://` URI. Its database is used, or `holdfast` where it names none. */
  uri: string;
  log: Log;
  /** No call takes longer, ms; 3,000 unless said otherwise. */
  deadline?: number;
}

/**
 * One client for everything that is kept in MongoDB. Writes are acknowledged by a majority and its journals. Reads ask
 * the primary and see what is there, acknowledged or not: a write that builds on such a read is not acknowledged
 * before what it builds on is.
 */
export class MongoConnection {
  readonly #mongoose: Mongoose;
  readonly #connection: Connection;
  readonly #deadline: number;

  /** Use `connectMongo`. */
  constructor(deps: { mongoose: Mongoose; connection: Connection; deadline: number }) {
    this.#mongoose = deps.mongoose;
    this.#connection = deps.connection;
    this.#deadline = deps.deadline;
  }

  /** The driver's client, for `MongoDBSaver`; what is called on it goes through `run`, too. */
  get client(): ReturnType<Connection['getClient']> {
    return this.#connection.getClient();
  }

  /** Name of the database. */
  get database(): string {
    return this.#connection.name;
  }

  /**
   * The driver's database, for commands, indexes and bulk writes of what the caller made to the last field. Other documents
   * go through `model`, which checks what it is given.
   */
  get db(): NonNullable<Connection['db']> {
    const { db } = this.#connection;
    if (!db) throw unavailable(new Error('the connection is closed'));
    return db;
  }

  /**
   * The model of a collection, the same one for the same name. Fields that are not declared are refused in documents,
   * updates and filters; operators in a filter's values must be `trusted()` (of mongoose). Read with `.lean()`.
   */
  model<T>(collection: string, fields: SchemaDefinition): Model<T> {
    const known = this.#connection.models[collection];
    if (known) return known;
    const schema = new this.#mongoose.Schema<T>(fields, {
      collection,
      strict: 'throw',
      strictQuery: 'throw',
      autoIndex: false,
      autoCreate: false,
      bufferCommands: false,
      versionKey: false,
      minimize: false,
      id: false,
    });
    return this.#connection.model<T>(collection, schema);
  }

  /**
   * Every call to the server: it ends within `deadline` ms, and throws `unavailable` where the server is out of reach.
   * What was sent may take effect even so, at the latest when the driver gives it up a few seconds later.
   */
  async run<T>(work: () => PromiseLike<T>, deadline: number = this.#deadline): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(unavailable(new Error(`MongoDB did not answer within ${deadline} ms`)));
      }, deadline);
    });
    try {
      return await Promise.race([work(), late]);
    } catch (error) {
      throw asStoreError(error);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Rejects if the server can't be used. */
  async ping(): Promise<void> {
    await this.run(() => this.db.command({ ping: 1 }));
  }

  /** Closes every socket and stops every timer. Calls that are under way fail. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection.close(true);
  }
}

/**
 * Connects, and looks whether the server will do. Throws MongoConfigError where the URI is none, nobody answers or
 * the server takes no writes.
 */
export async function connectMongo(options: MongoOptions): Promise<MongoConnection> {
  const { uri, log, deadline = DEADLINE } = options;
  const limits = driverLimits(deadline);
  const mongoose = new Mongoose();
  // Not by the constructor: only `set` knows all of them.
  mongoose.set({
    sanitizeFilter: true,
    strict: 'throw',
    strictQuery: 'throw',
    autoIndex: false,
    autoCreate: false,
    bufferCommands: false,
    // The server gives up a query when nobody waits for it any more.
    maxTimeMS: limits.socketTimeoutMS,
  });
  const connection = mongoose.createConnection();
  observe(connection, log);
  try {
    await connection.openUri(uri, {
      ...limits,
      ...(namesDatabase(uri) ? {} : { dbName: 'holdfast' }),
      appName: 'holdfast',
      writeConcern: { w: 'majority', journal: true, wtimeoutMS: limits.socketTimeoutMS },
      readConcern: { level: 'local' },
      readPreference: 'primary',
      retryWrites: true,
      retryReads: true,
      autoIndex: false,
      autoCreate: false,
      bufferCommands: false,
      sanitizeFilter: true,
    });
    const mongo = new MongoConnection({ mongoose, connection, deadline });
    await assertSuitable(mongo, log);
    return mongo;
  } catch (error) {
    await connection.close(true);
    throw startError(error);
  }
}

/** The path of the URI: after the hosts, which hold no slash. */
function namesDatabase(uri: string): boolean {
  return /^mongodb(\+srv)?:\/\/[^/]+\/[^?]/.test(uri);
}

function observe(connection: Connection, log: Log): void {
  // Without a listener an `error` event would end the process.
  connection.on('error', (err: unknown) => log.warn({ err }, 'MongoDB connection failed'));
  connection.on('disconnected', () => log.warn({}, 'MongoDB disconnected'));
  connection.on('reconnected', () => log.info({}, 'MongoDB reconnected'));
}

async function assertSuitable(mongo: MongoConnection, log: Log): Promise<void> {
  const standing = standingOf(await mongo.run(() => mongo.db.command({ hello: 1 })));
  if (standing === 'read_only') {
    throw new MongoConfigError(
      'MONGODB_URI leads to a server that takes no writes: name the whole replica set, without directConnection.',
    );
  }
  if (standing === 'standalone') {
    // Nothing here needs transactions or change streams, so it is enough where one server is.
    log.warn({}, 'MongoDB is a standalone server: writes are not repeated, and are lost with it');
  }
}

/** What a server is, by its answer to `hello`. */
export function standingOf(
  hello: Readonly<Record<string, unknown>>,
): 'replicated' | 'standalone' | 'read_only' {
  if (hello['isWritablePrimary'] !== true) return 'read_only';
  // A router of a sharded cluster has no set's name.
  return 'setName' in hello || hello['msg'] === 'isdbgrid' ? 'replicated' : 'standalone';
}

function startError(error: unknown): unknown {
  if (error instanceof MongoConfigError || !(error instanceof Error)) return error;
  if (/Parse|InvalidArgument|APIError|MissingCredentials/.test(error.name)) {
    return new MongoConfigError(`MONGODB_URI can't be used: ${error.message}.`, { cause: error });
  }
  return new MongoConfigError(`MongoDB can't be used: ${error.message}.`, { cause: error });
}

/** The clock of the primary, epoch ms: replicas whose own clocks differ agree on it. */
export function mongoTime(mongo: MongoConnection): () => Promise<number> {
  return storeTime(async () => {
    const { localTime } = await mongo.run(() => mongo.db.command({ hello: 1 }));
    if (!(localTime instanceof Date)) throw new Error('MongoDB told no time');
    return localTime.getTime();
  });
}
