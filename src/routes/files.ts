import type { FileController } from '../controllers/files.ts';
import { filePageSchema, uploadedSchema } from '../http/file-schemas.ts';
import type { Route } from '../http/route.ts';
import { pageQuerySchema } from '../http/schemas.ts';

const kind = { access: 'user', tag: 'files' } as const;

export function fileRoutes(files: FileController): Route[] {
  return [
    {
      ...kind,
      method: 'post',
      path: '/api/files',
      handle: files.upload,
      doc: {
        summary: 'Upload files',
        description:
          'multipart/form-data with up to ten fields `file`, or the bytes themselves with `X-File-Name`. All or none.',
        headers: { 'X-File-Name': 'Of a body that is the file; as encodeURIComponent makes it.' },
        answers: {
          201: {
            about: 'One file as itself, several as `items`.',
            body: uploadedSchema,
            headers: ['Location'],
          },
        },
        errors: [
          'FILE_TOO_LARGE',
          'FILE_QUOTA_EXCEEDED',
          'TOO_MANY_FILES',
          'UNSUPPORTED_MEDIA_TYPE',
        ],
      },
    },
    {
      ...kind,
      method: 'get',
      path: '/api/files',
      handle: files.list,
      doc: {
        summary: "The caller's files",
        query: pageQuerySchema,
        answers: { 200: { about: 'Newest first.', body: filePageSchema } },
      },
    },
    {
      ...kind,
      method: 'get',
      path: '/api/files/:id',
      handle: files.read,
      doc: {
        summary: 'The bytes of a file',
        headers: {
          Range: 'One range of bytes.',
          'If-None-Match': 'The `ETag` that the client has.',
        },
        answers: {
          200: { about: 'All of it.', body: { contentType: 'application/octet-stream' } },
          206: { about: 'The range.', body: { contentType: 'application/octet-stream' } },
          304: { about: 'As it was.' },
        },
        errors: ['NOT_FOUND', 'RANGE_NOT_SATISFIABLE'],
      },
    },
    {
      ...kind,
      method: 'delete',
      path: '/api/files/:id',
      handle: files.remove,
      doc: {
        summary: 'Delete a file',
        answers: { 204: { about: 'Gone; messages that name it stay.' } },
        errors: ['NOT_FOUND'],
      },
    },
  ];
}
