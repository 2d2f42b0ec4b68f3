import { Annotation, interrupt, MessagesAnnotation, StateGraph } from '@langchain/langgraph';
import { ScriptedModel } from './scripted-model.mjs';

/** A graph that asks in its own form: what it gives to `interrupt` is shown to a person, whose response it gets. */

const State = Annotation.Root({ ...MessagesAnnotation.spec, wish: Annotation() });

const model = new ScriptedModel((messages) => ({ text: messages.at(-1).text }));

/** Nothing before `interrupt` may have an effect: the node begins anew when the response is there. */
function ask() {
  const wish = interrupt({
    ask: 'What may the bouquet cost?',
    // Responses that do not fit are refused, and it goes on waiting.
    responseSchema: {
      type: 'object',
      properties: {
        euros: { type: 'number', minimum: 5 },
        flower: { enum: ['tulip', 'rose'] },
        card: { type: 'string' },
      },
      required: ['euros', 'flower'],
      additionalProperties: false,
    },
  });
  return { wish };
}

async function tie({ messages, wish }) {
  const { euros, flower, card = 'no card' } = wish;
  const text = `A bouquet of one ${flower} for ${euros} euros, ${card}.`;
  return { messages: [await model.invoke([...messages, { role: 'user', content: text }])] };
}

export const florist = {
  id: 'florist',
  version: '1',
  graph: new StateGraph(State)
    .addNode('ask', ask)
    .addNode('tie', tie)
    .addEdge('__start__', 'ask')
    .addEdge('ask', 'tie')
    .addEdge('tie', '__end__')
    .compile(),
};
