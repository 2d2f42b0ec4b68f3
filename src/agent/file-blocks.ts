import { HumanMessage } from '@langchain/core/messages';
import type { BaseMessage } from '@langchain/core/messages';
import { z } from 'zod';
import type { MessagePart } from '../stream/message.ts';

/**
 * Files of the user's on their way to a model. The state of a graph holds their names only, so that checkpoints stay
 * small and nobody's bytes are kept twice; each model call is given the bytes anew.
 */

/** Of a message of the user's: its files. Providers are never sent this key. */
export const FILES_KEY = 'holdfast_files';

const refSchema = z.object({ fileId: z.string(), name: z.string(), mediaType: z.string() });
type Ref = z.infer<typeof refSchema>;
const refsSchema = z.array(refSchema);

/** The beginning of a file, at most as much of it as was asked for; undefined: it is gone. */
export type ReadFile = (
  fileId: string,
  maxBytes: number,
) => Promise<{ bytes: Uint8Array; size: number } | undefined>;

const OURS = /^\/api\/files\/([A-Za-z0-9_.:-]{1,128})$/;

/** The files among a message's parts. */
export function filesIn(parts: readonly MessagePart[]): Ref[] {
  return parts.flatMap((part) => {
    const fileId = part.type === 'attachment' ? OURS.exec(part.url ?? '')?.[1] : undefined;
    if (fileId === undefined || part.type !== 'attachment') return [];
    return [{ fileId, name: part.name, mediaType: part.mediaType }];
  });
}

export function filesOf(message: BaseMessage): Ref[] {
  return refsSchema.safeParse(message.additional_kwargs[FILES_KEY]).data ?? [];
}

/** What all files of one model call may have together, and each of them; bytes. */
export const MODEL_FILES = {
  images: 10,
  imageBytes: 5 * 1024 * 1024,
  allImageBytes: 12 * 1024 * 1024,
  textBytes: 128 * 1024,
  allTextBytes: 512 * 1024,
} as const;

const IMAGES = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp']);
export const isImage = ({ mediaType }: Pick<Ref, 'mediaType'>): boolean => IMAGES.has(mediaType);
const TEXTS = /^text\/|^application\/json$/;

type Block = { type: 'text'; text: string } | { type: 'image_url'; image_url: { url: string } };

const line = (text: string): Block => ({ type: 'text', text: `[${text}]` });

/** Puts files into what a model is given, the newest first as long as there is room. */
class Filler {
  readonly #read: ReadFile;
  readonly #takesImages: boolean;
  readonly #left: Record<'images' | 'imageBytes' | 'textBytes', number> = {
    images: MODEL_FILES.images,
    imageBytes: MODEL_FILES.allImageBytes,
    textBytes: MODEL_FILES.allTextBytes,
  };

  constructor(read: ReadFile, takesImages: boolean) {
    this.#read = read;
    this.#takesImages = takesImages;
  }

  async block(file: Ref): Promise<Block[]> {
    if (isImage(file)) return [await this.#image(file)];
    return TEXTS.test(file.mediaType) ? [await this.#text(file)] : [];
  }

  async #image({ fileId, name, mediaType }: Ref): Promise<Block> {
    if (!this.#takesImages) return line(`${name}: this model takes no images`);
    const room = Math.min(MODEL_FILES.imageBytes, this.#left.imageBytes);
    if (this.#left.images === 0 || room === 0) return line(`${name}: there are newer images`);
    const found = await this.#read(fileId, room);
    if (!found) return line(`${name}: this file was deleted`);
    if (found.size > room) return line(`${name}: too large an image`);
    this.#left.images -= 1;
    this.#left.imageBytes -= found.size;
    const data = Buffer.from(found.bytes).toString('base64');
    return { type: 'image_url', image_url: { url: `data:${mediaType};base64,${data}` } };
  }

  async #text({ fileId, name, mediaType }: Ref): Promise<Block> {
    const room = Math.min(MODEL_FILES.textBytes, this.#left.textBytes);
    if (room === 0) return line(`${name}: there are newer files`);
    const found = await this.#read(fileId, room);
    if (!found) return line(`${name}: this file was deleted`);
    const { bytes, size } = found;
    this.#left.textBytes -= bytes.length;
    // A cut may be in the middle of a character.
    const text = new TextDecoder().decode(bytes).replace(/\uFFFD+$/, '');
    const cut = size > bytes.length ? `\n[cut after ${bytes.length} of ${size} bytes]` : '';
    return { type: 'text', text: `File ${name} (${mediaType}):\n${text}${cut}` };
  }
}

/** The messages with the files that they name; the same ones where they name none. */
export async function withFiles(
  messages: BaseMessage[],
  { read, takesImages }: { read: ReadFile; takesImages: boolean },
): Promise<BaseMessage[]> {
  if (messages.every((message) => filesOf(message).length === 0)) return messages;
  const filler = new Filler(read, takesImages);
  const filled: BaseMessage[] = [];
  for (const message of messages.toReversed()) {
    const blocks: Block[] = [];
    for (const file of filesOf(message)) blocks.push(...(await filler.block(file)));
    filled.push(blocks.length === 0 ? message : given(message, blocks));
  }
  return filled.toReversed();
}

function given(message: BaseMessage, blocks: Block[]): HumanMessage {
  const { id } = message;
  return new HumanMessage({
    ...(id === undefined ? {} : { id }),
    content: [{ type: 'text', text: message.text }, ...blocks],
  });
}
