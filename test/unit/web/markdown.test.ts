import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseBlocks } from '../../../web/markdown-blocks.js';
import { safeHref } from '../../../web/markdown.js';

/** What a block says, as a short text: `p(…)`, `em(…)`, `a<href>(…)`. */
function shape(node: unknown): string {
  if (Array.isArray(node)) return node.map(shape).join('');
  if (typeof node !== 'object' || node === null) return '';
  const { type, ...rest }: Record<string, unknown> = { ...node };
  const text = 'text' in rest ? String(rest['text']) : '';
  const href = 'href' in rest ? `<${String(rest['href'])}>` : '';
  const level = 'level' in rest ? String(rest['level']) : '';
  const inner = ['children', 'blocks', 'items', 'head', 'rows'].map((key) => shape(rest[key]));
  return type === 'text' ? text : `${String(type)}${level}${href}(${text}${inner.join('')})`;
}

const said = (text: string): string => shape(parseBlocks(text));

const alphas = (text: string): number => text.split('alpha').length;

describe("the page's Markdown", () => {
  test.each([
    ['# One', 'heading1(One)'],
    ['a **b** *c* ~~d~~ `e*f`', 'paragraph(a strong(b) em(c) del(d) code(e*f))'],
    ['**a *b* c**', 'paragraph(strong(a em(b) c))'],
    ['snake_case_word and 2*3*4', 'paragraph(snake_case_word and 2em(3)4)'],
    ['- a\n- b', 'list(paragraph(a)paragraph(b))'],
    ['1. a\n2. b', 'list(paragraph(a)paragraph(b))'],
    ['- a\n  - b', 'list(paragraph(a)list(paragraph(b)))'],
    ['> a\n> b', 'quote(paragraph(abr()b))'],
    ['```js\nlet <b>\n```', 'code(let <b>)'],
    ['```\nnever closed', 'code(never closed)'],
    ['|a|b|\n|-|-|\n|1|2|', 'table(ab12)'],
    ['---', 'rule()'],
    ['a\n\nb', 'paragraph(a)paragraph(b)'],
    ['\\*a\\*', 'paragraph(*a*)'],
    ['**open', 'paragraph(**open)'],
    ['[x](https://a.example/b)', 'paragraph(link<https://a.example/b>(x))'],
    ['see https://a.example/b.', 'paragraph(see link<https://a.example/b>(https://a.example/b).)'],
    ['![alt](https://a.example/p.png)', 'paragraph(link<https://a.example/p.png>(alt))'],
  ])('%j', (text, expected) => {
    expect(said(text)).toBe(expected);
  });

  test.each([
    '<script>alert(1)</script>',
    '<img src=x onerror=alert(1)>',
    '[x](javascript:alert(1))',
    '[x](JaVaScRiPt:alert(1))',
    '[x](data:text/html,<script>alert(1)</script>)',
    '[x](vbscript:x)',
    '[x](//evil.example)',
    '[x](file:///etc/passwd)',
    '[x](&#106;avascript:alert(1))',
    '<a href="javascript:alert(1)">x</a>',
  ])('%s has no link and stays text', (text) => {
    expect(said(text)).not.toContain('link');
    expect(said(text)).toContain(text.slice(0, 3));
  });

  test('addresses are http, https or mailto, and absolute', () => {
    expect(safeHref('mailto:a@b.example')).toBe('mailto:a@b.example');
    const refused = ['java\nscript:alert(1)', ' javascript:x', '/web/x', '#x', '', 'blob:x', 'x'];
    expect(refused.map(safeHref)).toEqual(refused.map(() => undefined));
  });

  test('every word of a text is shown, whatever else is in it', () => {
    const piece = fc.constantFrom('*', '_', '`', '[', ']', '(', ')', '#', '>', '-', '|', '\n', ' ');
    const words = fc.array(fc.oneof(piece, fc.constantFrom('alpha', 'beta', '1.')), {
      maxLength: 60,
    });
    const shown = fc.property(words, (pieces) => {
      const text = pieces.join('');
      // The language of a code block is not shown.
      return text.includes('`') || alphas(said(text)) >= alphas(text);
    });

    expect(fc.check(shown, { numRuns: 300 }).counterexample).toBeNull();
  });

  test.each([
    ['brackets', '['.repeat(100_000)],
    ['stars', '*a '.repeat(30_000)],
    ['mixed marks', '**_~~`'.repeat(3_000)],
    ['quotes', '> '.repeat(50_000)],
    ['lists', '- '.repeat(50_000)],
    ['hashes', `# ${'#'.repeat(100_000)}x`],
    ['spaces', `- ${' '.repeat(100_000)}\u2028x`],
    ['columns', `${'|a'.repeat(20_000)}|\n|-|\n${'|'.repeat(20_000)}`],
    ['back quotes', '` `` '.repeat(4_000)],
    ['links', '[a](b '.repeat(3_000)],
    ['lines', '- a\n'.repeat(20_000)],
  ])('%s without end are parsed in time', (_name, text) => {
    const began = performance.now();
    parseBlocks(text);

    expect(performance.now() - began).toBeLessThan(2_000);
  });
});
