import { z } from 'zod';
import { defineTool } from '../agent/tools.ts';
import type { ToolDefinition } from '../agent/tools.ts';
import { evaluate } from './expression.ts';
import { show } from './number.ts';

const schema = z.object({
  expression: z.string().min(1).max(1_000).describe('e.g. (19.99 * 3) * 120% or sqrt(2)^3'),
});

export function calculatorTool(): ToolDefinition {
  return defineTool({
    name: 'calculator',
    description:
      'Calculates + - * / ^ %, sqrt, abs, floor, ceil, round(x, places), mod(a, b), min, max, ln, log, log2, exp, sin, cos, ' +
      'tan, asin, acos, atan, pi, e. Exact with whole numbers, decimals and fractions; other results begin with ≈.',
    schema,
    effects: 'read',
    run: async ({ expression }) => show(evaluate(expression)),
  });
}
