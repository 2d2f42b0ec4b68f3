import { createServer } from 'node:http';
import express from 'express';
import { frame, STREAM_HEADERS } from '../lib/frames.mjs';
import { runPeer } from '../lib/peer.mjs';

/** What many write first: Express, and `res.write` of the serialised event for every reader. */
runPeer({
  createStream() {
    const readers = new Set();
    const log = [];
    return {
      add(res) {
        for (const [type, event] of log) res.write(frame(type, event));
        if (log.at(-1)?.[0] === 'done') res.end();
        else readers.add(res);
        res.on('close', () => readers.delete(res));
      },
      send(type, event) {
        log.push([type, event]);
        for (const res of readers) res.write(frame(type, event));
      },
      end(type, event) {
        this.send(type, event);
        for (const res of readers) res.end();
      },
    };
  },
  listen({ stream, start }) {
    const app = express();
    app.post('/:name', (req, res) => {
      start(req.params.name);
      res.status(202).json({});
    });
    app.get('/:name', (req, res) => {
      res.set(STREAM_HEADERS);
      res.flushHeaders();
      stream(req.params.name).add(res);
    });
    return createServer(app);
  },
});
