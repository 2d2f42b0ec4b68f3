import { OperatorError } from '../lib/operator-error.ts';

/** Something in the code that composes the service must be mended. */
export class AgentError extends OperatorError {
  override name = 'AgentError';
}
