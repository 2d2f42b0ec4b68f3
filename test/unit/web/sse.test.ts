import { describe, expect, test } from '@jest/globals';
import { createSseParser } from '../../../web/sse.js';

interface Seen {
  frames: unknown[];
  retries: number[];
}

function parse(chunks: string[]): Seen {
  const seen: Seen = { frames: [], retries: [] };
  const parser = createSseParser({
    onFrame: (frame) => void seen.frames.push(frame),
    onRetry: (ms) => void seen.retries.push(ms),
  });
  for (const chunk of chunks) parser.push(chunk);
  return seen;
}

const STREAM =
  ': connected\nretry: 1500\n\nid: a.1\nevent: created\ndata: {"seq":1}\n\n: ping\n\nid: a.2\r\nevent: text_delta\r\ndata: é\r\ndata: 2\r\n\r\ndata:x\n\n';

describe('the page parses event streams', () => {
  test('frames, comments, retry and all kinds of line ends', () => {
    expect(parse([STREAM])).toEqual({
      retries: [1500],
      frames: [
        { id: 'a.1', event: 'created', data: '{"seq":1}' },
        { id: 'a.2', event: 'text_delta', data: 'é\n2' },
        { id: 'a.2', event: 'message', data: 'x' },
      ],
    });
  });

  test('the same wherever the chunks are cut', () => {
    const whole = parse([STREAM]);
    for (let at = 0; at <= STREAM.length; at += 1) {
      expect(parse([STREAM.slice(0, at), STREAM.slice(at)])).toEqual(whole);
    }
    expect(parse(STREAM.split(''))).toEqual(whole);
  });

  test('a frame that is not ended does not count', () => {
    expect(parse(['id: 1\ndata: x\n']).frames).toEqual([]);
  });
});
