import type { BaseMessage } from '@langchain/core/messages';
import { createMiddleware } from 'langchain';
import { foundIn } from './find-tools.ts';
import { READ_OUTPUT } from './large-output.ts';
import { namesOutput } from './read-output.ts';

/** Which tools the model is shown, by what the messages say. */
export type Shown = (messages: readonly BaseMessage[]) => (name: string) => boolean;

export const ALL_SHOWN: Shown = () => () => true;

/** `deferred`: names of those that must be found first. */
export function shownTools(deferred: ReadonlySet<string>): Shown {
  return (messages) => {
    const found = foundIn(messages);
    const reads = namesOutput(messages);
    return (name) => (name === READ_OUTPUT ? reads : !deferred.has(name) || found.has(name));
  };
}

/** The others are there all the same: what was found once may be called whatever the model is shown. */
export function shownMiddleware(shown: Shown) {
  return createMiddleware({
    name: 'ShownTools',
    wrapModelCall(request, handler) {
      // The state, not what is left of it for the model: what was found stays so when old messages are left out.
      const isShown = shown(request.state.messages);
      const tools = request.tools.filter(({ name }) => typeof name !== 'string' || isShown(name));
      return handler({ ...request, tools });
    },
  });
}
