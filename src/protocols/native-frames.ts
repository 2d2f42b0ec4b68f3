import { parseCursor } from '../stream/cursor.ts';
import type { EventBody, LogEvent, StreamState } from '../stream/events.ts';

/** What a native stream says: an event, or a snapshot in the place of those before. */
export type NativeFrame =
  { kind: 'event'; event: LogEvent } | { kind: 'reset' | 'sync'; state: StreamState };

/** Whole frames as our own heart writes them (docs/PROTOCOL.md section 3); comments are left out. */
export function nativeFrames(bytes: Uint8Array): NativeFrame[] {
  const blocks = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    .toString('utf8')
    .split('\n\n');
  return blocks.filter((block) => block.startsWith('id: ')).map(parse);
}

function parse(block: string): NativeFrame {
  const [id = '', event = '', data = ''] = block.split('\n').map(valueOf);
  const cursor = parseCursor(id);
  if (!cursor) throw new Error(`a frame without a cursor: ${block.slice(0, 100)}`);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written by stream/frame.ts
  const fields = JSON.parse(data) as { seq: number; at: string; state?: StreamState };
  if ((event === 'reset' || event === 'sync') && fields.state) {
    return { kind: event, state: fields.state };
  }
  const { seq, at, ...rest } = fields;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written by stream/frame.ts
  const body = { type: event, ...rest } as EventBody;
  return { kind: 'event', event: { seq, fence: cursor.fence, at, body } };
}

/** Behind `id: `, `event: ` and `data: `. */
function valueOf(line: string): string {
  return line.slice(line.indexOf(':') + 2);
}
