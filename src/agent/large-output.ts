import type { Owner } from '../stream/owner.ts';
import type { ToolResult } from './agent-runner.ts';
import { exceedsOutput, truncateOutput } from './output.ts';
import type { RunFiles } from './run-files.ts';

/** Outputs that are too large for the log: the whole is kept as a file of the user's, and the model may read on in it. */

export const READ_OUTPUT = 'read_output';

export interface OutputPlace {
  owner: Owner;
  conversationId: string;
  files: RunFiles;
  /** Is there a tool to read on? */
  keepsLarge: boolean;
}

/** `result` as it is kept. Where the whole can't be, because the user may have no more files, it is cut without it. */
export async function keptOutput(
  { status, output }: ToolResult,
  { owner, conversationId, files, keepsLarge }: OutputPlace,
  /** The same for every execution of the call. */
  key: string,
): Promise<ToolResult> {
  if (!keepsLarge || !exceedsOutput(output)) return { status, output: truncateOutput(output) };
  try {
    const { fileId } = await files.save(owner, {
      key: `${key}/output`,
      conversationId,
      origin: 'output',
      name: 'output.txt',
      mediaType: 'text/plain',
      data: output,
    });
    const note = `the whole is output ${fileId}, see ${READ_OUTPUT}`;
    return { status, output: truncateOutput(output, note) };
  } catch {
    // No room, or the store is out of reach: the effect has taken place, so its result must stand.
    return { status, output: truncateOutput(output) };
  }
}
