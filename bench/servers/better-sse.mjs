import { createServer } from 'node:http';
import { createChannel, createSession } from 'better-sse';
import express from 'express';
import { runPeer } from '../lib/peer.mjs';

const id = (event) => `bench0.1.${event.seq}`;

/** The library's own way: a session per reader, a channel per stream, under Express. */
runPeer({
  createStream() {
    const channel = createChannel();
    const log = [];
    return {
      add(session, res) {
        for (const [type, event] of log) session.push(event, type, id(event));
        session.state.res = res;
        if (log.at(-1)?.[0] === 'done') setImmediate(() => res.end());
        else channel.register(session);
      },
      send(type, event) {
        log.push([type, event]);
        channel.broadcast(event, type, { eventId: id(event) });
      },
      end(type, event) {
        this.send(type, event);
        // The library writes in a later turn of the loop.
        setImmediate(() => {
          for (const session of channel.activeSessions) session.state.res.end();
        });
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
      const opened = createSession(req, res, { retry: null, keepAlive: 10_000 });
      void opened.then((session) => stream(req.params.name).add(session, res));
    });
    return createServer(app);
  },
});
