type Release = () => void | Promise<void>;

/** Lets go of resources in reverse order of acquiring; each step runs even if the one before failed. */
export class Releasers {
  #steps: Release[] = [];

  add(step: Release): void {
    this.#steps.push(step);
  }

  /** Rejects with what failed, after all steps ran. */
  async release(): Promise<void> {
    const steps = this.#steps.toReversed();
    this.#steps = [];
    const errors: unknown[] = [];
    for (const step of steps) {
      try {
        await step();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw new AggregateError(errors, 'not everything could be released');
  }
}
