import { createServer } from 'node:http';
import express from 'express';
import { Redis } from 'ioredis';
import { frame, STREAM_HEADERS } from '../lib/frames.mjs';
import { runPeer } from '../lib/peer.mjs';

/**
 * A pattern that is met in chat servers: per token one script that numbers and publishes it and one that keeps it, sent as
 * text; every reader, on whatever replica, gets it from the channel, through a buffer that puts it in order.
 */
const PUBLISH = `
local seq = redis.call('INCR', KEYS[1])
redis.call('EXPIRE', KEYS[1], 3600)
redis.call('PUBLISH', KEYS[2], '{"seq":' .. seq .. ',"event":' .. ARGV[1] .. '}')
return seq`;
const KEEP = `
redis.call('XADD', KEYS[1], 'MAXLEN', '~', 10000, '*', 'event', ARGV[1])
redis.call('EXPIRE', KEYS[1], 3600)
return 1`;

const redis = new Redis(process.env.REDIS_URL);
const subscriber = new Redis(process.env.REDIS_URL);
const channels = new Map();
subscriber.on('message', (channel, message) => channels.get(channel)?.hear(message));

class Channel {
  #readers = new Set();
  #next = 1;
  #early = new Map();

  add(res) {
    this.#readers.add(res);
    res.on('close', () => this.#readers.delete(res));
  }

  hear(message) {
    const { seq, event } = JSON.parse(message);
    this.#early.set(seq, event);
    for (let due = this.#early.get(this.#next); due; due = this.#early.get(this.#next)) {
      this.#early.delete(this.#next);
      this.#next += 1;
      const text = frame(due.type, due.data);
      for (const res of this.#readers) res.write(text);
      if (due.type === 'done') for (const res of this.#readers) res.end();
    }
  }
}

async function read(name, res) {
  const channel = channels.get(name) ?? new Channel();
  if (!channels.has(name)) {
    channels.set(name, channel);
    await subscriber.subscribe(name);
  }
  channel.add(res);
  res.set(STREAM_HEADERS);
  res.flushHeaders();
}

runPeer({
  createStream: (name) => ({
    send(type, data) {
      const text = JSON.stringify({ type, data });
      void redis.eval(PUBLISH, 2, `{${name}}:seq`, `{${name}}:events`, text);
      void redis.eval(KEEP, 1, `{${name}}:chunks`, text);
    },
    end(type, data) {
      this.send(type, data);
    },
  }),
  listen() {
    const app = express();
    app.get('/:name', (req, res) => void read(`{${req.params.name}}:events`, res));
    return createServer(app);
  },
});
