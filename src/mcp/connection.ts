import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import type { ToolEffects, ToolResult } from '../agent/agent-runner.ts';
import type { McpServerEntry } from '../config/file/schema.ts';
import { delay, type Clock } from '../lib/clock.ts';
import type { JsonObject } from '../lib/json.ts';
import type { Log } from '../lib/log.ts';
import { clockedOut } from './deadline.ts';
import { faultOf, type Fault } from './fault.ts';
import type { CallStatus, McpMetrics } from './metrics.ts';
import { Outage } from './outage.ts';
import { resultSchema, toolResultOf, type SaveFile } from './result.ts';
import { HttpTransport } from './http-transport.ts';
import { StdioTransport } from './stdio-transport.ts';
import { pageSchema, readToolList, type McpTool } from './tool-list.ts';

export interface ConnectionDeps {
  server: string;
  entry: McpServerEntry;
  /** Makes a transport that was not started. May throw. */
  open: () => Transport;
  clock: Clock;
  log: Log;
  metrics: McpMetrics;
}

export interface McpCall {
  /** The server's own name of the tool. */
  tool: string;
  args: JsonObject;
  effects: ToolEffects;
  idempotencyKey: string;
  signal: AbortSignal;
  save: SaveFile;
}

/** A result, how it is counted, and whether another attempt may be made first. */
interface Attempt {
  result: ToolResult;
  status: CallStatus;
  again?: true;
}

/** A call, which somebody may have approved, waits so long for a server that is just being started again. */
const PATIENCE = 2_000;
const GOODBYE_WITHIN = 1_000;
const CLIENT = { name: 'holdfast', version: '1' };

/**
 * One connection to one server. It is made when it is needed, and made again after it ended:
 * closed ──► connecting ──► open ──► closed. `retire` lets what is under way end; `close` does not.
 */
export class McpConnection {
  readonly #deps: ConnectionDeps;
  readonly #outage: Outage;
  #connecting: Promise<Client> | undefined;
  #client: Client | undefined;
  #transport: Transport | undefined;
  #tools: readonly McpTool[] = [];
  #listed = false;
  #stale = true;
  #listing: Promise<void> | undefined;
  #inUse = 0;
  #usedAt: number;
  #retired = false;

  constructor(deps: ConnectionDeps) {
    this.#deps = deps;
    this.#outage = new Outage(deps);
    this.#usedAt = deps.clock.now();
  }

  get entry(): McpServerEntry {
    return this.#deps.entry;
  }

  /** Milliseconds since somebody needed it; 0 while somebody does. */
  get idleFor(): number {
    return this.#inUse > 0 ? 0 : this.#deps.clock.now() - this.#usedAt;
  }

  get busy(): boolean {
    return this.#inUse > 0;
  }

  /** What it offers, or offered the last time that it could be asked; `known`: it could be asked once. Never rejects. */
  async tools(signal: AbortSignal): Promise<{ known: boolean; tools: readonly McpTool[] }> {
    await this.#use(async () => {
      try {
        const known = this.#tools.length > 0;
        const asked = this.#upToDate();
        // Where something is known nobody waits for a server that may be down.
        if (known && !this.#client) asked.catch(() => undefined);
        else await clockedOut(asked, signal);
      } catch {
        // Counted and logged where it happened; what is known stays.
      }
    });
    return { known: this.#listed, tools: this.#tools };
  }

  /**
   * The tool that the model knows by this name; undefined where the server has none. A result where the server can't be
   * asked, which is counted as that of a call. Rejects only where the run was aborted.
   */
  async find(modelName: string, signal: AbortSignal): Promise<McpTool | ToolResult | undefined> {
    return this.#use(async () => {
      try {
        await this.#patience(signal);
        await clockedOut(this.#upToDate(), signal);
      } catch {
        this.#count(signal.aborted ? 'aborted' : 'unreachable');
        signal.throwIfAborted();
        return this.#unreachable;
      }
      return this.#tools.find((tool) => tool.modelName === modelName);
    });
  }

  /** Rejects only where the run was aborted: whatever else happens is a result for the model. */
  async call(call: McpCall): Promise<ToolResult> {
    return this.#use(async () => {
      try {
        const first = await this.#attempt(call);
        const { result, status } = first.again ? await this.#attempt(call) : first;
        this.#count(status);
        return result;
      } catch (error) {
        this.#count('aborted');
        throw error;
      }
    });
  }

  /** No more uses: closes when the last one that is under way has ended. */
  async retire(): Promise<void> {
    this.#retired = true;
    if (this.#inUse === 0) await this.close();
  }

  async close(): Promise<void> {
    this.#retired = true;
    const client = this.#client;
    this.#client = undefined;
    if (client && this.#transport instanceof HttpTransport) await this.#goodbye(this.#transport);
    await this.#transport?.close();
    // Whoever was connecting finds its transport closed.
    await this.#connecting?.catch(() => undefined);
  }

  /** Servers keep sessions until they are told. */
  async #goodbye(transport: HttpTransport): Promise<void> {
    const stop = new AbortController();
    const timer = this.#deps.clock.after(GOODBYE_WITHIN, () => stop.abort());
    // Whoever can't be told finds out by itself.
    await clockedOut(transport.terminateSession(), stop.signal).catch(() => undefined);
    timer.cancel();
  }

  async #use<T>(task: () => Promise<T>): Promise<T> {
    this.#inUse += 1;
    try {
      return await task();
    } finally {
      this.#inUse -= 1;
      this.#usedAt = this.#deps.clock.now();
      if (this.#retired && this.#inUse === 0) await this.close();
    }
  }

  async #patience(signal: AbortSignal): Promise<void> {
    const { pause } = this.#outage;
    if (pause > 0 && pause <= PATIENCE) await delay(this.#deps.clock, pause, signal);
  }

  async #attempt(call: McpCall): Promise<Attempt> {
    const { signal } = call;
    let client: Client;
    try {
      await this.#patience(signal);
      client = await clockedOut(this.#connect(), signal);
    } catch {
      signal.throwIfAborted();
      return { result: this.#unreachable, status: 'unreachable' };
    }
    try {
      const result = await toolResultOf(await this.#send(client, call), call.save);
      this.#outage.over();
      return { result, status: result.status === 'ok' ? 'ok' : 'error' };
    } catch (error) {
      signal.throwIfAborted();
      const fault = faultOf(error, { open: this.#client === client });
      if (fault.kind === 'not_sent' || fault.kind === 'lost') await this.#drop(client);
      return this.#failed(call, fault);
    }
  }

  #failed(call: McpCall, fault: Fault): Attempt {
    switch (fault.kind) {
      case 'refused':
        this.#outage.over();
        return { result: { status: 'error', output: fault.message }, status: 'error' };
      case 'timeout': {
        const what = `gave no answer within ${this.#deps.entry.timeout} ms`;
        return { result: this.#unknown(call, what), status: 'timeout' };
      }
      case 'not_sent':
        return { result: this.#unreachable, status: 'unreachable', again: true };
      case 'lost':
        break;
    }
    const result = this.#unknown(call, 'was lost while the tool ran');
    // What has no effect, or has it only once, may be asked for again.
    if (call.effects !== 'unsafe') return { result, status: 'lost', again: true };
    return { result, status: 'lost' };
  }

  /** An effect may have taken place or not: nobody here can know, and the model must not guess. */
  #unknown({ tool, effects }: McpCall, what: string): ToolResult {
    const said = `The MCP server '${this.#deps.server}' ${what}.`;
    if (effects !== 'unsafe') return { status: 'error', output: said };
    return {
      status: 'outcome_unknown',
      output: `${said} Whether '${tool}' took effect is not known: do not call it again before you have found out.`,
    };
  }

  get #unreachable(): ToolResult {
    const output = `The MCP server '${this.#deps.server}' can't be reached now, so the tool did not run.`;
    return { status: 'error', output };
  }

  #count(status: CallStatus): void {
    this.#deps.metrics.called(this.#deps.server, status);
  }

  async #send(client: Client, { tool, args, idempotencyKey, signal }: McpCall) {
    // The SDK never takes its listener off, so it does not get the signal of the whole run.
    const stop = new AbortController();
    const abort = (): void => stop.abort(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    try {
      signal.throwIfAborted();
      const params = { name: tool, arguments: args, _meta: { 'holdfast/key': idempotencyKey } };
      const options = { timeout: this.#deps.entry.timeout, signal: stop.signal };
      return await client.request({ method: 'tools/call', params }, resultSchema, options);
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  async #upToDate(): Promise<void> {
    const client = await this.#connect();
    // Whoever comes while it is being read waits for it, too.
    if (this.#stale)
      this.#listing ??= this.#list(client).finally(() => {
        this.#listing = undefined;
      });
    await this.#listing;
    this.#listed = true;
  }

  async #list(client: Client): Promise<void> {
    const { server, entry, log, clock } = this.#deps;
    // A change that is told from now on is one to what is read now.
    this.#stale = false;
    if (!client.getServerCapabilities()?.tools) return;
    const stop = new AbortController();
    const timer = clock.after(entry.connectTimeout, () => stop.abort(new Error('too slow')));
    try {
      const { tools, faults } = await readToolList({
        server,
        page: (cursor) =>
          client.request(
            { method: 'tools/list', params: cursor === undefined ? {} : { cursor } },
            pageSchema,
            { timeout: entry.connectTimeout, signal: stop.signal },
          ),
        unusable: (tool, err) =>
          log.warn({ server, tool, err }, 'arguments of an MCP tool are not checked: its schema'),
      });
      this.#tools = tools;
      if (faults.left > 0 || faults.cut || faults.open.length > 0)
        log.warn({ server, ...faults }, 'not all that the MCP server offers can be used');
    } catch (err) {
      this.#stale = true;
      log.warn({ server, err }, 'tools of the MCP server could not be listed');
      throw err;
    } finally {
      timer.cancel();
    }
  }

  #connect(): Promise<Client> {
    if (this.#client) return Promise.resolve(this.#client);
    if (this.#retired || this.#outage.pause > 0) return Promise.reject(new Error('Not now.'));
    this.#connecting ??= this.#open().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  async #open(): Promise<Client> {
    const { clock, entry, open } = this.#deps;
    const client = new Client(CLIENT, { capabilities: {} });
    let transport: Transport | undefined;
    try {
      transport = open();
      this.#transport = transport;
      const stop = new AbortController();
      const timer = clock.after(entry.connectTimeout, () =>
        stop.abort(new Error(`no answer within ${entry.connectTimeout} ms`)),
      );
      try {
        const options = { timeout: entry.connectTimeout };
        await clockedOut(client.connect(transport, options), stop.signal);
      } finally {
        timer.cancel();
      }
      if (this.#retired) throw new Error('It was closed meanwhile.');
      this.#opened(client);
      return client;
    } catch (error) {
      // Not waited for: a process that does not want to end may take seconds.
      const words = transport instanceof StdioTransport ? transport.lastWords : '';
      transport?.close().catch(() => undefined);
      if (!this.#retired) this.#outage.failed(error, words);
      throw error;
    }
  }

  #opened(client: Client): void {
    this.#outage.opened();
    this.#client = client;
    this.#stale = true;
    client.setNotificationHandler(ToolListChangedNotificationSchema, () => {
      this.#stale = true;
    });
    // oxlint-disable-next-line unicorn/prefer-add-event-listener -- the SDK has no events
    client.onclose = () => {
      if (this.#client !== client) return;
      this.#client = undefined;
      if (!this.#retired) this.#outage.ended();
    };
  }

  async #drop(client: Client): Promise<void> {
    if (this.#client === client) {
      this.#client = undefined;
      this.#outage.ended();
    }
    await client.close();
  }
}
