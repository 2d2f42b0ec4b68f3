import { askUserTool } from '../agent/ask-user.ts';
import type { ToolDefinition } from '../agent/tools.ts';
import { calculatorTool } from './calculator.ts';
import { currentTimeTool } from './current-time.ts';
import { httpFetchTool, type HttpFetchDeps } from './http-fetch.ts';

/** Tools that every agent may be given by name. None has an effect on anything. */
export function builtInTools(deps: HttpFetchDeps): ToolDefinition[] {
  return [askUserTool(), currentTimeTool(deps), calculatorTool(), httpFetchTool(deps)];
}
