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

export interface ResultFile {
  name: string;
  mediaType: string;
  data: Uint8Array;
}

/** Keeps a file of the user's: its name there, or undefined where it can't be kept. Never rejects. */
export type SaveFile = (file: ResultFile) => Promise<string | undefined>;

/** Of one result. */
const MOST_FILES = 8;

function ending(mediaType: string): string {
  return /^[\w.-]+\/([a-z0-9]{1,10})/i.exec(mediaType)?.[1]?.toLowerCase() ?? 'bin';
}

/** What is no text, if the part has such a thing. */
function fileOf(part: z.output<typeof partSchema>): ResultFile | undefined {
  if (part.type === 'image' || part.type === 'audio') {
    const name = `${part.type}.${ending(part.mimeType)}`;
    return { name, mediaType: part.mimeType, data: Buffer.from(part.data, 'base64') };
  }
  if (part.type !== 'resource') return undefined;
  const { text, blob, uri, mimeType } = part.resource;
  if (text !== undefined || blob === undefined) return undefined;
  const name = uri.split(/[/\\]/).at(-1) || `resource.${ending(mimeType)}`;
  return { name, mediaType: mimeType, data: Buffer.from(blob, 'base64') };
}

function lineOf(part: z.output<typeof partSchema>): string {
  if (part.type === 'text') return part.text;
  if (part.type === 'resource_link') return `[resource: ${part.name} ${part.uri}]`;
  return part.type === 'resource' ? (part.resource.text ?? `[resource: ${part.resource.uri}]`) : '';
}

/** Texts and what stands for the rest, one after the other; what is structured only where there is nothing else. */
export async function toolResultOf(
  { content, structuredContent, isError }: z.output<typeof resultSchema>,
  save: SaveFile,
): Promise<ToolResult> {
  const lines: string[] = [];
  let files = 0;
  for (const given of content) {
    const { data: part } = partSchema.safeParse(given);
    const file = part && fileOf(part);
    if (file) {
      files += 1;
      const saved = files > MOST_FILES ? undefined : await save(file);
      const what = `${file.mediaType}, ${file.data.length} bytes`;
      lines.push(
        saved === undefined ? `[left out: ${what}]` : `[shown to the user: ${saved} (${what})]`,
      );
    } else lines.push(part ? lineOf(part) : '[left out: content of an unknown kind]');
  }
  const text = lines.join('\n');
  const output =
    text === '' && structuredContent !== undefined ? JSON.stringify(structuredContent) : text;
  return { status: isError === true ? 'error' : 'ok', output };
}
