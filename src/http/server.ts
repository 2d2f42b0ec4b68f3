import { createServer } from 'node:http';
import type { RequestListener, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { AppError } from '../errors.ts';
import { errorBody } from './error-handler.ts';

/** The HTTP server around the app: what Node refuses before Express sees it gets the same JSON error body. */

const MAX_HEADER_BYTES = 16_384;

function statusLine(code: string | undefined): string {
  if (code === 'HPE_HEADER_OVERFLOW') return '431 Request Header Fields Too Large';
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return '408 Request Timeout';
  return '400 Bad Request';
}

function rawAnswer(code: string | undefined): string {
  const error = new AppError('INVALID_REQUEST', 'The request could not be read.');
  const body = JSON.stringify(errorBody(error));
  return [
    `HTTP/1.1 ${statusLine(code)}`,
    'Connection: close',
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    '',
    body,
  ].join('\r\n');
}

function codeOf(error: Error): string | undefined {
  return 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

export function createHttpServer(app: RequestListener): Server {
  const answering = new WeakMap<Duplex, ServerResponse>();
  const handle: RequestListener = (req, res) => {
    answering.set(req.socket, res);
    app(req, res);
  };
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: 15_000,
      // Large files over slow lines; JSON has less time (body.ts).
      requestTimeout: 300_000,
      // Longer than the 60 s of usual load balancers: they, not we, close idle connections.
      keepAliveTimeout: 65_000,
    },
    handle,
  );
  // An expectation that nobody knows may be ignored (RFC 9110 section 10.1.1); Node's own 417 has no body.
  server.on('checkExpectation', handle);
  server.on('clientError', (error: Error, socket: Duplex) => {
    const code = codeOf(error);
    const response = answering.get(socket);
    const midAnswer = response !== undefined && response.headersSent && !response.writableFinished;
    if (code === 'ECONNRESET' || !socket.writable || midAnswer) {
      socket.destroy();
      return;
    }
    socket.end(rawAnswer(code), () => socket.destroy());
  });
  return server;
}
