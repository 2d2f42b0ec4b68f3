// Exit status 0 where this container's own server answers 200. The path is the first argument: /healthz or /readyz.
import { request } from 'node:http';

const TIMEOUT_MS = 3_000;
const { HOST = '', PORT = '' } = process.env;
// An address that means "all of them" is no address to call.
const host = ['', '0.0.0.0', '::'].includes(HOST) ? '127.0.0.1' : HOST;
const path = process.argv[2] ?? '/healthz';

const call = request(
  { host, port: PORT || 3000, path, signal: AbortSignal.timeout(TIMEOUT_MS) },
  (response) => {
    response.resume();
    if (response.statusCode !== 200) {
      process.stderr.write(`${path} answered ${response.statusCode}\n`);
      process.exitCode = 1;
    }
  },
);
call.on('error', (error) => {
  process.stderr.write(`${path}: ${error.message}\n`);
  process.exitCode = 1;
});
call.end();
