import { AIMessage, HumanMessage, ToolMessage } from '@langchain/core/messages';
import type { BaseMessage } from '@langchain/core/messages';
import { script } from './demo-script.ts';
import type { Step } from './demo-script.ts';
import { GO_ON } from './heard.ts';

/** What the demo model does next: the script of the last question, also where an answer to it was cut off. Pure. */
export function stepsFor(messages: readonly BaseMessage[]): Iterable<Step> {
  const last = messages.findLastIndex((message) => HumanMessage.isInstance(message));
  const cutOff = messages[last]?.text === GO_ON;
  const asked = cutOff
    ? messages.slice(0, last).findLastIndex((message) => HumanMessage.isInstance(message))
    : last;
  const results = messages.slice(asked + 1).filter((message) => ToolMessage.isInstance(message));
  const steps = script(
    messages[asked]?.text ?? '',
    results.map(({ text }) => text),
  );
  const said = messages[last - 1];
  const isNext = cutOff && last === messages.length - 1 && AIMessage.isInstance(said);
  return isNext ? behind(steps, said.text) : steps;
}

/** The steps that are left where these words were said. */
function* behind(steps: Iterable<Step>, said: string): Iterable<Step> {
  let rest = said;
  for (const step of steps) {
    const known = step.do === 'say' && rest !== '' && rest.startsWith(step.token);
    if (known) rest = rest.slice(step.token.length);
    else yield step;
  }
}
