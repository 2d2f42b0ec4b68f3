/**
 * What a sub-agent tool writes to LangGraph's stream writer to say which tool call a namespace belongs to.
 * Never leaves the process: the mapper turns it into an `agent` event.
 */
export class SubAgentMark {
  /** Checkpoint namespace of the tool's task, e.g. `tools:<task id>`. */
  readonly namespace: string;
  readonly toolCallId: string;
  readonly agentId: string;
  readonly state: 'started' | 'finished';

  constructor(mark: {
    namespace: string;
    toolCallId: string;
    agentId: string;
    state: 'started' | 'finished';
  }) {
    this.namespace = mark.namespace;
    this.toolCallId = mark.toolCallId;
    this.agentId = mark.agentId;
    this.state = mark.state;
  }
}
