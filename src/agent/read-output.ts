import { ToolMessage, type BaseMessage } from '@langchain/core/messages';
import { z } from 'zod';
import { READ_OUTPUT } from './large-output.ts';
import { cutAtCharacter } from './output.ts';
import { defineTool } from './tools.ts';
import type { ToolDefinition, ToolRun } from './tools.ts';

/** The tool that reads on in a large output, and when a model is shown it. */

const MOST_BYTES = 48 * 1024;
const NAMED = /the whole is output (\S+), see read_output\]$/;

/** Is there anything to read on in? */
export function namesOutput(messages: readonly BaseMessage[]): boolean {
  return messages.some((message) => ToolMessage.isInstance(message) && NAMED.test(message.text));
}

const schema = z.object({
  ref: z.string().min(1).max(200).describe('as named at the end of a cut output'),
  offset: z.number().int().min(0).max(100_000_000).describe('in bytes'),
  length: z.number().int().min(1).max(MOST_BYTES).optional().describe('in bytes'),
});

async function read(
  { files, owner }: ToolRun,
  { ref, offset, length = MOST_BYTES }: z.output<typeof schema>,
): Promise<string> {
  // One more than is wanted: it says whether the last character is whole.
  const to = offset + length;
  const found = await files.read(owner, ref, to + 1);
  if (!found) throw new Error('There is no such output.');
  const { bytes, size } = found;
  if (offset >= size) return `[the end: the output has ${size} bytes]`;
  const { text, end } = cutAtCharacter(bytes, { from: offset, to });
  const rest = end < size ? `go on with offset ${end}` : 'the end';
  return `${text}\n[bytes ${offset} to ${end} of ${size}; ${rest}]`;
}

export function readOutputTool(): ToolDefinition {
  const tool = {
    name: READ_OUTPUT,
    description: 'Reads on in the output of a tool that was too large to be shown whole.',
    schema,
    effects: 'read',
  } as const;
  return {
    ...defineTool({ ...tool, run: async () => '' }),
    bind: (run) => defineTool({ ...tool, run: (args) => read(run, args) }).bind(run),
  };
}
