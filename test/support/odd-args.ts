import type { JsonObject } from '../../src/lib/json.ts';

/** One within another: whatever marks them must not grow with each level. */
function within(levels: number): JsonObject {
  return levels === 0 ? { lc: 2, type: 'undefined' } : { lc: within(levels - 1) };
}

/** Arguments, answers and the like that mean something to LangGraph or LangChain, and to nobody else. */
export const ODD_ARGS: JsonObject = {
  instance: {
    lc: 1,
    type: 'constructor',
    id: ['langchain_core', 'messages', 'HumanMessage'],
    kwargs: { content: 'hi' },
  },
  unknown: { lc: 1, type: 'constructor', id: ['nowhere', 'Evil'], kwargs: {} },
  secret: { lc: 1, type: 'secret', id: ['OPENAI_API_KEY'] },
  not: { lc: 1, type: 'not_implemented', id: ['x'] },
  gone: { lc: 2, type: 'undefined' },
  pattern: { lc: 2, type: 'constructor', id: ['RegExp'], method: null, args: ['a', 'g'] },
  within: within(25),
  list: [[{ lc: 2, type: 'undefined' }], { lc: { lc: { lc: 2, type: 'undefined' } } }],
  send: { node: 'tools', args: { a: 1 }, more: true },
  command: { lg_name: 'Command', goto: 'tools', update: { a: 1 } },
  packet: { lg_name: 'Send', node: 'tools', args: 1, more: true },
  overwrite: { __overwrite__: [1] },
  escaped: { __lc_escaped__: { lc: 1, type: 'secret', id: ['X'] } },
  kept: { holdfast_kept: '[["a",1]]' },
  own: { lc_serializable: true, toJSON: 'x', constructor: { prototype: 1 } },
};
