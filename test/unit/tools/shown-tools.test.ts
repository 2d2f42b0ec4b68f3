import { describe, expect, test } from '@jest/globals';
import { HumanMessage, ToolMessage } from '@langchain/core/messages';
import { z } from 'zod';
import { foundIn, rankTools } from '../../../src/agent/find-tools.ts';
import { readOutputTool } from '../../../src/agent/read-output.ts';
import { shownTools } from '../../../src/agent/shown-tools.ts';
import { defineTool } from '../../../src/agent/tools.ts';
import { callTool, MemoryRunFiles } from '../../support/tool-run.ts';

const tool = (name: string, description: string) =>
  defineTool({ name, description, schema: z.object({}), effects: 'read', run: async () => '' });

const answer = (name: string, content: string) =>
  new ToolMessage({ name, content, tool_call_id: 'c1' });

describe('tools that are found', () => {
  const tools = [
    tool('mcp__cal__create_event', 'Puts an event into the calendar.'),
    tool('mcp__cal__deleteEvent', 'Takes an event out of the calendar.'),
    tool('mcp__mail__send', 'Sends a letter. The event is not undone.'),
    tool('mcp__mail__list', 'Lists letters.'),
  ];
  const names = (query: string) => rankTools(query, tools).map(({ name }) => name);

  test('come in the order of what their names and descriptions share with the query', () => {
    expect(names('create calendar event')[0]).toBe('mcp__cal__create_event');
    expect(names('delete event')[0]).toBe('mcp__cal__deleteEvent');
    expect(names('letters')).toEqual(['mcp__mail__list']);
    expect(names('weather')).toEqual([]);
    expect(names('…')).toEqual([]);
  });

  test('are read from the messages, and only from what the tool said', () => {
    const hits = JSON.stringify([{ name: 'a', description: '' }]);

    expect([...foundIn([answer('find_tools', hits)])]).toEqual(['a']);
    expect([...foundIn([answer('other', hits), new HumanMessage(hits)])]).toEqual([]);
    expect([...foundIn([answer('find_tools', 'No tool was found.')])]).toEqual([]);
    expect([...foundIn([answer('find_tools', '{"a":1}')])]).toEqual([]);
  });

  test('are shown from then on; read_output only where there is something to read', () => {
    const shown = shownTools(new Set(['a', 'b']));
    const hits = JSON.stringify([{ name: 'a', description: '' }]);
    const cut = 'x\n… [truncated: 1 of 2 bytes shown; the whole is output f1, see read_output]';
    const all = ['a', 'b', 'c', 'read_output'];

    expect(all.filter(shown([]))).toEqual(['c']);
    expect(all.filter(shown([answer('find_tools', hits)]))).toEqual(['a', 'c']);
    expect(all.filter(shown([answer('c', cut)]))).toEqual(['c', 'read_output']);
  });
});

describe('read_output', () => {
  test('reads a large output to its end, never inside a character, and only its owner', async () => {
    const files = new MemoryRunFiles();
    const whole = '😀ä'.repeat(30_000);
    const large = defineTool({
      name: 'large',
      description: '',
      schema: z.object({}),
      effects: 'read',
      run: async () => whole,
    });
    const { text } = await callTool(large, {}, { files });
    const [, first = '', ref = ''] =
      /^([^]*)\n… \[truncated: \d+ of 180000 bytes shown; the whole is output (\S+), see read_output\]$/.exec(
        text,
      ) ?? [];

    let read = first;
    let offset = Buffer.byteLength(first);
    for (let turn = 0; turn < 10 && offset < 180_000; turn += 1) {
      const said = await callTool(readOutputTool(), { ref, offset, length: 48_001 }, { files });
      const [, part = '', end] = /^([^]*)\n\[bytes \d+ to (\d+) of 180000; /.exec(said.text) ?? [];
      read += part;
      offset = Number(end);
    }
    expect(read).toBe(whole);
    expect((await callTool(readOutputTool(), { ref, offset: 180_000 }, { files })).text).toBe(
      '[the end: the output has 180000 bytes]',
    );

    const owner = { tenantId: 't', userId: 'bob' };
    expect(await callTool(readOutputTool(), { ref, offset: 0 }, { files, owner })).toEqual({
      status: 'error',
      text: 'There is no such output.',
    });
  });

  test('where the whole can not be kept, the output is cut and stands', async () => {
    const files = new MemoryRunFiles();
    files.save = () => Promise.reject(new Error('full'));
    const large = defineTool({
      name: 'large',
      description: '',
      schema: z.object({}),
      run: async () => 'x'.repeat(100_000),
    });

    const said = await callTool(large, {}, { files });

    expect(said.status).toBe('ok');
    expect(said.text).toMatch(/\[truncated: \d+ of 100000 bytes shown\]$/);
  });
});
