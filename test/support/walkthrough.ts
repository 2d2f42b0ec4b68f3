import { spawn } from 'node:child_process';

/** A document of commands (` ```sh `), each followed by what it prints (` ```text `) or by nothing. */

export interface Step {
  command: string;
  expected: string | undefined;
}

export function stepsOf(markdown: string): Step[] {
  const steps: Step[] = [];
  for (const [, kind, body = ''] of markdown.matchAll(/^```(sh|text)\n(.*?)^```$/gms)) {
    const last = steps.at(-1);
    if (kind === 'sh') steps.push({ command: body.trimEnd(), expected: undefined });
    else if (last?.expected === undefined && last) last.expected = body.trimEnd();
    else throw new Error(`an output without a command: ${body.slice(0, 80)}`);
  }
  return steps;
}

/** `…` stands for anything in a line; alone in a line for any number of lines. */
export function patternOf(expected: string): RegExp {
  const lines = expected.split('\n').map((line) => {
    if (line === '…') return String.raw`(?:[^\n]*\n)*?`;
    const parts = line
      .split('…')
      .map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`));
    return `${parts.join(String.raw`[^\n]*`)}\n`;
  });
  return new RegExp(`^${lines.join('')}$`);
}

const MARK = '--- end of step';

/** What each command printed, run in order in one shell. */
export async function play(commands: string[], env: NodeJS.ProcessEnv): Promise<string[]> {
  const script = commands.map((command) => `${command}\nprintf '\\n%s\\n' '${MARK}'`).join('\n');
  const shell = spawn('bash', ['-c', script], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [shell.stdout, shell.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  await new Promise((ended) => shell.once('close', ended));
  return output.split(`\n${MARK}\n`).slice(0, -1);
}
