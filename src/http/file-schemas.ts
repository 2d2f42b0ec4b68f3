import { z } from 'zod';
import { FILE_ORIGINS } from '../files/file-store.ts';

/** Answers about files (docs/PROTOCOL.md section 11). */

export const fileSchema = z.object({
  fileId: z.string(),
  name: z.string(),
  mediaType: z.string(),
  size: z.number().int().nonnegative(),
  createdAt: z.string(),
  origin: z.enum(FILE_ORIGINS),
  url: z.string(),
});
export const uploadedSchema = z.union([fileSchema, z.object({ items: z.array(fileSchema) })]);
export const filePageSchema = z.object({
  items: z.array(fileSchema),
  nextCursor: z.string().nullable(),
});
