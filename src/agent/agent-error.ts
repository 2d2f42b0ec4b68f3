/** Something in the code that composes the service must be mended. */
export class AgentError extends Error {
  override name = 'AgentError';
}
