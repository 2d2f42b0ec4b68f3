import { createServer } from 'node:http';
import { frame, STREAM_HEADERS } from '../lib/frames.mjs';
import { runPeer } from '../lib/peer.mjs';

/** The floor: node:http, one string per event, a write per reader. Keeps an array of strings for who comes late. */
runPeer({
  createStream() {
    const readers = new Set();
    const log = [];
    return {
      add(res) {
        for (const text of log) res.write(text);
        if (log.at(-1)?.includes('event: done')) res.end();
        else readers.add(res);
        res.on('close', () => readers.delete(res));
      },
      send(type, event) {
        const text = frame(type, event);
        log.push(text);
        for (const res of readers) res.write(text);
      },
      end(type, event) {
        this.send(type, event);
        for (const res of readers) res.end();
      },
    };
  },
  listen: ({ stream, start }) =>
    createServer((req, res) => {
      const name = req.url.slice(1);
      if (req.method === 'POST') {
        start(name);
        res.writeHead(202).end('{}');
        return;
      }
      res.writeHead(200, STREAM_HEADERS);
      res.flushHeaders();
      stream(name).add(res);
    }),
});
