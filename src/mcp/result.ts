import { z } from 'zod';
import type { ToolResult } from '../agent/agent-runner.ts';

/** What a tool of a server gave, as the model is told. */

export const resultSchema = z.looseObject({
  content: z.array(z.unknown()).catch([]),
  structuredContent: z.unknown().optional(),
  isError: z.boolean().optional().catch(undefined),
});

const textPart = z.looseObject({ type: z.literal('text'), text: z.string() });
const dataPart = z.looseObject({
  type: z.enum(['image', 'audio']),
  data: z.string(),
  mimeType: z.string().catch('application/octet-stream'),
});
const resourcePart = z.looseObject({
  type: z.literal('resource'),
  resource: z.looseObject({
    uri: z.string().catch(''),
    mimeType: z.string().catch('application/octet-stream'),
    text: z.string().optional(),
    blob: z.string().optional(),
  }),
});
const linkPart = z.looseObject({
  type: z.literal('resource_link'),
  uri: z.string(),
  name: z.string().catch(''),
});
const partSchema = z.discriminatedUnion('type', [textPart, dataPart, resourcePart, linkPart]);

/** Of text in base64. */
function bytes(base64: string): number {
  return Math.floor((base64.length * 3) / 4);
}

function leftOut(what: string, base64: string): string {
  return `[left out: ${what}, about ${bytes(base64)} bytes]`;
}

function lineOf(given: unknown): string {
  const { data: part } = partSchema.safeParse(given);
  switch (part?.type) {
    case 'text':
      return part.text;
    case 'image':
    case 'audio':
      return leftOut(part.mimeType, part.data);
    case 'resource': {
      const { text, blob = '', uri, mimeType } = part.resource;
      return text ?? leftOut(`${uri} (${mimeType})`, blob);
    }
    case 'resource_link':
      return `[resource: ${part.name} ${part.uri}]`;
    case undefined:
    default:
      return '[left out: content of an unknown kind]';
  }
}

/** Texts and what stands for the rest, one after the other; what is structured only where there is nothing else. */
export function toolResultOf(given: z.output<typeof resultSchema>): ToolResult {
  const { content, structuredContent, isError } = given;
  const lines = content.map(lineOf).join('\n');
  const output =
    lines === '' && structuredContent !== undefined ? JSON.stringify(structuredContent) : lines;
  return { status: isError === true ? 'error' : 'ok', output };
}
