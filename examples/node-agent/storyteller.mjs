import { Annotation, MessagesAnnotation, StateGraph } from '@langchain/langgraph';
import { ScriptedModel } from './scripted-model.mjs';

/** A graph of two nodes, compiled as ever: Holdfast gives it a checkpointer when it runs. */

const State = Annotation.Root({
  ...MessagesAnnotation.spec,
  hero: Annotation(),
});

const HEROES = ['a lighthouse keeper', 'a very small dragon', 'the last postman of the valley'];

const model = new ScriptedModel((messages) => {
  const { text } = messages.at(-1);
  return { text: storyOf(text.slice(text.indexOf(':') + 2)) };
});

/** Finds what the story is about. What a node hands to `writer` reaches clients as a `custom` event. */
function choose({ messages }, { writer }) {
  const hero = HEROES[messages.at(-1).text.length % HEROES.length];
  writer({ progress: 'chosen', hero });
  return { hero };
}

/** Tells it. The model's words reach clients as they come. */
async function tell({ messages, hero }) {
  const answer = await model.invoke([
    ...messages,
    { role: 'user', content: `Tell a short story about: ${hero}` },
  ]);
  return { messages: [answer] };
}

export const storyteller = {
  id: 'storyteller',
  // Change it when you change the graph: answers that the old one began are not continued by the new one.
  version: '1',
  graph: new StateGraph(State)
    .addNode('choose', choose)
    .addNode('tell', tell)
    .addEdge('__start__', 'choose')
    .addEdge('choose', 'tell')
    .addEdge('tell', '__end__')
    .compile(),
};

function storyOf(hero) {
  return (
    `Once there was ${hero} who wrote down everything twice. People laughed at that, until one night the lights ` +
    'went out in the middle of a sentence. In the morning everybody had lost what they were saying, and only one ' +
    'of them could open a book, put a finger on the right line, and go on exactly where the night had cut it off. ' +
    'From then on nobody laughed, and all of them wrote a little slower. The end.'
  );
}
