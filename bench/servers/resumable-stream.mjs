import { createServer } from 'node:http';
import express from 'express';
import { createResumableStreamContext } from 'resumable-stream/ioredis';
import { frame, STREAM_HEADERS } from '../lib/frames.mjs';
import { runPeer } from '../lib/peer.mjs';

/**
 * As the README of resumable-stream says, with explicit resumption: one process makes the stream, which is published from
 * the moment somebody asks for it, and another one resumes it. Nobody reads it where it is made, which costs it nothing.
 */
const context = createResumableStreamContext({ waitUntil: () => {} });

async function resume(name, res) {
  const stream = await context.resumeExistingStream(name);
  if (!stream) return res.status(422).end();
  res.set(STREAM_HEADERS);
  res.flushHeaders();
  const reader = stream.getReader();
  res.on('close', () => void reader.cancel());
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    res.write(next.value);
  }
  return res.end();
}

runPeer({
  createStream(name) {
    let controller;
    const made = new ReadableStream({
      start(own) {
        controller = own;
      },
    });
    return {
      made: context.createNewResumableStream(name, () => made),
      send: (type, event) => controller.enqueue(frame(type, event)),
      end(type, event) {
        this.send(type, event);
        controller.close();
      },
    };
  },
  prepare: ({ made }) => made,
  listen() {
    const app = express();
    app.get('/:name', (req, res) => void resume(req.params.name, res));
    return createServer(app);
  },
});
