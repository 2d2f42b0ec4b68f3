import { type DynamicToolUIPart, getToolName, type ToolUIPart } from 'ai';

interface Props {
  call: ToolUIPart | DynamicToolUIPart;
  onDecide: (approvalId: string, approved: boolean) => void;
}

/** A tool call, and what it asks of you before it runs. */
export function ToolCall({ call, onDecide }: Props) {
  return (
    <fieldset>
      <legend>{getToolName(call)}</legend>
      <pre>{JSON.stringify(call.input, null, 2)}</pre>
      {call.state === 'approval-requested' && (
        <>
          <button onClick={() => onDecide(call.approval.id, true)}>Approve</button>
          <button onClick={() => onDecide(call.approval.id, false)}>Deny</button>
        </>
      )}
      {call.state === 'output-available' && <pre>{String(call.output)}</pre>}
      {call.state === 'output-denied' && <p>You denied this.</p>}
      {call.state === 'output-error' && <p role="alert">{call.errorText}</p>}
    </fieldset>
  );
}
