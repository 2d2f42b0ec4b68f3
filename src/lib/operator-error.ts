/** Something that an operator, or a developer, can mend before the service starts. The message says it in a sentence. */
export abstract class OperatorError extends Error {}
