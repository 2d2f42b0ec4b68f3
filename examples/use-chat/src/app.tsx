import { useChat } from '@ai-sdk/react';
import {
  DefaultChatTransport,
  isToolUIPart,
  lastAssistantMessageIsCompleteWithApprovalResponses,
} from 'ai';
import { resumableFetch } from 'holdfast/client';
import { type FormEvent, useState } from 'react';
import type { Answered, Message } from './message.ts';
import { Question } from './question.tsx';
import { ToolCall } from './tool-call.tsx';

const transport = new DefaultChatTransport<Message>({
  api: '/ai-sdk/chat',
  // The one line: a cut connection is taken up again where it broke, and the chat does not notice.
  fetch: resumableFetch(),
});

export function App({ id, history }: { id: string; history: Message[] }) {
  const [input, setInput] = useState('');
  const chat = useChat<Message>({
    id,
    messages: history,
    transport,
    // After a reload the answer that is being made is read from its beginning; 204 where there is none.
    resume: true,
    sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithApprovalResponses,
  });
  const { messages, status, error } = chat;
  const busy = status === 'submitted' || status === 'streaming';

  const send = (event: FormEvent) => {
    event.preventDefault();
    if (input.trim() === '') return;
    void chat.sendMessage({ text: input });
    setInput('');
  };

  // `chat.stop()` only stops listening: the answer goes on until the server is told.
  const stop = () => void fetch(`/ai-sdk/chat/${id}/stop`, { method: 'POST' });

  const decide = (approvalId: string, approved: boolean) =>
    void chat.addToolApprovalResponse({
      id: approvalId,
      approved,
      ...(approved ? {} : { reason: 'Not now.' }),
    });

  const answer = async (toolCallId: string, output: Answered) => {
    await chat.addToolOutput({ tool: 'ask_user', toolCallId, output });
    // Not left to `sendAutomaticallyWhen`: answers are sent once, when somebody gave them.
    await chat.sendMessage();
  };

  const partOf = (part: Message['parts'][number], index: number) => {
    if (part.type === 'text') return <p key={index}>{part.text}</p>;
    if (part.type === 'reasoning') return <em key={index}>{part.text}</em>;
    if (!isToolUIPart(part)) return null;
    if (part.type === 'tool-ask_user' && part.state === 'input-available') {
      return (
        <Question
          key={index}
          questions={part.input.questions}
          onAnswer={(output) => void answer(part.toolCallId, output)}
        />
      );
    }
    return <ToolCall key={index} call={part} onDecide={decide} />;
  };

  return (
    <>
      <ol>
        {messages.map(({ id, role, parts }) => (
          <li key={id} className={role}>
            {parts.map(partOf)}
          </li>
        ))}
      </ol>
      {error && <p role="alert">{error.message}</p>}
      <form onSubmit={send}>
        <input
          aria-label="Message"
          placeholder="Try: say 50 100, approve, ask"
          value={input}
          onChange={(event) => setInput(event.target.value)}
        />
        {busy ? (
          <button type="button" onClick={stop}>
            Stop
          </button>
        ) : (
          <button>Send</button>
        )}
      </form>
      <output>{status}</output>
    </>
  );
}
