import type { JsonObject } from '../lib/json.ts';

/** What the demo model does with a command (docs/PROTOCOL.md section 8). Pure. */

export type Step =
  | { do: 'say' | 'think'; token: string; afterMs: number }
  | { do: 'call'; name: string; args: JsonObject }
  | { do: 'hang' }
  | { do: 'fail' };

interface Command {
  /** As the help names it; null: only agents say it. */
  usage: string | null;
  pattern: RegExp;
  /** The steps of one model call; `results` are those of the calls that it made before, oldest first. */
  play(words: string[], results: string[]): Iterable<Step>;
}

const MAX_WORDS = 100_000;
const MAX_PAUSE_MS = 60_000;
const MAX_SECONDS = 3_600;
const MAX_BYTES = 10_000_000;
const MAX_BATCH = 50;

function bounded(word: string | undefined, fallback: number, max: number): number {
  return Math.min(word === undefined ? fallback : Number(word), max);
}

function* words(kind: 'say' | 'think', count: number, of: { word: string; afterMs: number }) {
  for (let n = 1; n <= count; n += 1)
    yield { do: kind, token: `${n === 1 ? '' : ' '}${of.word}${n}`, afterMs: of.afterMs };
}

function* sentence(text: string): Iterable<Step> {
  for (const token of text.split(/(?= )/)) yield { do: 'say', token, afterMs: 0 };
}

function shown(result: string): string {
  return result.length > 200 ? `${result.slice(0, 200)}…` : result;
}

type CallStep = Extract<Step, { do: 'call' }>;

function email(n: number): CallStep {
  const args = { to: `person${n}@example.com`, subject: `Hello ${n}` };
  return { do: 'call', name: 'send_email', args };
}

/** Asks for a batch of tools, then tells what became of each call. */
function* batch(calls: CallStep[], results: string[]): Iterable<Step> {
  if (results.length === 0) {
    yield* sentence(calls.length > 1 ? 'I would do these things.' : 'I would do this.');
    yield* calls;
    return;
  }
  yield* sentence('This is what happened.');
  for (const result of results) yield* sentence(`\n- ${shown(result)}`);
}

/** Asks for one tool after another, each when the one before is answered. */
function* inTurn(calls: CallStep[], results: string[]): Iterable<Step> {
  const next = calls[results.length];
  if (next) yield* batch([next], []);
  else yield* batch([], results);
}

/** Asks for one tool, then tells its result. */
function* oneCall(call: { name: string; args: JsonObject }, results: string[]): Iterable<Step> {
  const [result] = results;
  if (result === undefined) {
    yield* sentence('One moment.');
    yield { do: 'call', ...call };
  } else {
    yield* sentence(`The tool answered: ${shown(result)}`);
  }
}

const HELPERS_TASK = 'help with an e-mail';

const QUESTION = {
  questions: [
    {
      question: 'Which colour do you like best?',
      header: 'Colour',
      options: [
        { label: 'Red', value: 'red' },
        { label: 'Green', value: 'green', description: 'As grass.' },
        { label: 'Blue', value: 'blue', description: 'As the sky.' },
      ],
    },
  ],
};

const COMMANDS: Command[] = [
  {
    usage: 'say N D [word]',
    pattern: /^say (\d+)(?: (\d+))?(?: (\S+))?$/,
    *play([count, pause, word = 'word']) {
      const afterMs = bounded(pause, 10, MAX_PAUSE_MS);
      yield* words('say', bounded(count, 0, MAX_WORDS), { word, afterMs });
    },
  },
  {
    usage: 'think N D',
    pattern: /^think (\d+)(?: (\d+))?$/,
    *play([count, pause]) {
      const afterMs = bounded(pause, 10, MAX_PAUSE_MS);
      yield* words('think', bounded(count, 0, MAX_WORDS), { word: 'thought', afterMs });
      yield* sentence('That is what I think.');
    },
  },
  {
    usage: 'tool',
    pattern: /^tool$/,
    play: (_words, results) => oneCall({ name: 'add', args: { a: 2, b: 3 } }, results),
  },
  {
    usage: 'file',
    pattern: /^file$/,
    play: (_words, results) =>
      oneCall({ name: 'make_file', args: { text: 'Made by the demo agent.' } }, results),
  },
  {
    usage: 'slow S',
    pattern: /^slow (\d+(?:\.\d+)?)$/,
    play([seconds], results) {
      const args = { seconds: bounded(seconds, 1, MAX_SECONDS) };
      return oneCall({ name: 'slow', args }, results);
    },
  },
  {
    usage: 'stubborn S',
    pattern: /^stubborn (\d+(?:\.\d+)?)$/,
    play([seconds], results) {
      const args = { seconds: bounded(seconds, 1, MAX_SECONDS) };
      return oneCall({ name: 'stubborn', args }, results);
    },
  },
  {
    usage: 'big N',
    pattern: /^big (\d+)$/,
    play([bytes], results) {
      return oneCall({ name: 'big', args: { bytes: bounded(bytes, 0, MAX_BYTES) } }, results);
    },
  },
  {
    usage: 'approve',
    pattern: /^approve$/,
    play: (_words, results) => batch([email(1)], results),
  },
  {
    usage: 'approve K',
    pattern: /^approve (\d+)$/,
    play([count], results) {
      const calls = Array.from({ length: bounded(count, 1, MAX_BATCH) }, (_, n) => email(n + 1));
      const note: CallStep = { do: 'call', name: 'note', args: { text: 'Remember this.' } };
      return batch([...calls.slice(0, 1), note, ...calls.slice(1)], results);
    },
  },
  {
    usage: 'strict',
    pattern: /^strict$/,
    play(_words, results) {
      return batch([{ do: 'call', name: 'delete_file', args: { path: 'old.txt' } }], results);
    },
  },
  {
    usage: 'twice',
    pattern: /^twice$/,
    play: (_words, results) => inTurn([email(1), email(2)], results),
  },
  {
    usage: 'ask',
    pattern: /^ask$/,
    play: (_words, results) => batch([{ do: 'call', name: 'ask_user', args: QUESTION }], results),
  },
  {
    usage: 'sub',
    pattern: /^sub$/,
    play(_words, results) {
      return batch([{ do: 'call', name: 'helper', args: { task: HELPERS_TASK } }], results);
    },
  },
  {
    usage: null,
    pattern: new RegExp(`^${HELPERS_TASK}$`),
    *play(_words, results) {
      if (results.length === 0) yield* words('say', 5, { word: 'help', afterMs: 10 });
      yield* batch([email(1)], results);
    },
  },
  {
    usage: 'fail',
    pattern: /^fail$/,
    *play() {
      yield* words('say', 5, { word: 'word', afterMs: 0 });
      yield { do: 'fail' };
    },
  },
  {
    usage: 'hang',
    pattern: /^hang$/,
    *play() {
      yield* sentence('I stop here');
      yield { do: 'hang' };
    },
  },
];

function help(): string {
  const usages = COMMANDS.flatMap(({ usage }) => (usage === null ? [] : [`\`${usage}\``])).join(
    ', ',
  );
  return `I am the demo agent: a script, no model. Try one of ${usages}.`;
}

/** The steps of the model call that follows `question` and the `results` of the calls it led to. */
export function script(question: string, results: string[]): Iterable<Step> {
  // Files of the user's are named, and shown, behind the text.
  const said = question.replace(/\n\n\[attachment: [^]*$/, '').trim();
  // Where an answer failed, the question before it stands in front of this one.
  const newest = said.slice(said.lastIndexOf('\n\n') + 1).trim();
  for (const command of COMMANDS) {
    const match = command.pattern.exec(newest);
    if (match) return command.play(match.slice(1), results);
  }
  return sentence(help());
}
