import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import type { StdioServerParameters } from '@modelcontextprotocol/sdk/client/stdio.js';

/** Largest message. */
const MOST_BYTES = 10 * 1024 * 1024;
/** Characters of what a server said last on its standard error. */
const TAIL = 500;

/** A server as a child process. The SDK ends it: end of input, then SIGTERM, then SIGKILL, two seconds apart. */
export class StdioTransport extends StdioClientTransport {
  #tail = '';
  #closing: Promise<void> | undefined;

  constructor(server: Omit<StdioServerParameters, 'stderr' | 'maxBufferSize'>) {
    super({ ...server, stderr: 'pipe', maxBufferSize: MOST_BYTES });
    // Read to its end, or the server would stand still.
    this.stderr?.on('data', (chunk: Buffer) => {
      this.#tail = (this.#tail + chunk.toString('utf8')).slice(-TAIL);
    });
  }

  /** For the operator, where the server did not even begin: nobody's words are in it then. */
  get lastWords(): string {
    return this.#tail.trim();
  }

  /** Whoever closes waits for the one end that there is. */
  override close(): Promise<void> {
    return (this.#closing ??= super.close());
  }
}
