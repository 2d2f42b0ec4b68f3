import { createServer } from 'node:http';
import { word } from '../lib/clock.mjs';
import { Pace } from '../lib/pace.mjs';

/**
 * A model that speaks OpenAI's protocol: `say N D` as the last message makes N words, one each D ms, with the time at which
 * each was made. It waits for `go`, so that its readers are there first.
 */
const pace = new Pace();
const waiting = new Set();

process.on('message', ({ cmd }) => {
  if (cmd !== 'go') return;
  for (const start of waiting) start();
  waiting.clear();
});
process.on('disconnect', () => process.exit());

function chunk(delta, finish = null) {
  const choices = [{ index: 0, delta, finish_reason: finish }];
  const body = { id: 'c', object: 'chat.completion.chunk', created: 1, model: 'bench', choices };
  return `data: ${JSON.stringify(body)}\n\n`;
}

function answer(text, res) {
  const [, count, each] = /say (\d+) (\d+)/.exec(text);
  res.writeHead(200, { 'content-type': 'text/event-stream' });
  res.write(chunk({ role: 'assistant', content: '' }));
  waiting.add(() => {
    let said = 0;
    pace.add(Number(each), () => {
      said += 1;
      res.write(chunk({ content: word(said, true) }));
      if (said < Number(count)) return true;
      res.end(`${chunk({}, 'stop')}data: [DONE]\n\n`);
      return false;
    });
  });
  process.send({ ev: 'asked' });
}

const textOf = (content) =>
  typeof content === 'string' ? content : content.map(({ text }) => text ?? '').join('');

const server = createServer((req, res) => {
  let body = '';
  req.on('data', (bytes) => (body += bytes));
  req.on('end', () => answer(textOf(JSON.parse(body).messages.at(-1).content), res));
});
server.listen(0, '127.0.0.1', () => process.send({ ev: 'ready', port: server.address().port }));
