import { createRoot } from 'react-dom/client';
import { App } from './app.tsx';
import type { Message } from './message.ts';

/** The chat's id is this page's own; it stays in the address, so that a reload finds the chat again. */
function chatId(): string {
  const url = new URL(location.href);
  const known = url.searchParams.get('chat');
  if (known) return known;
  const id = crypto.randomUUID();
  url.searchParams.set('chat', id);
  history.replaceState(null, '', url);
  return id;
}

async function historyOf(id: string): Promise<Message[]> {
  const answer = await fetch(`/ai-sdk/chat/${id}/messages`);
  // Nothing was said yet.
  if (answer.status === 404) return [];
  if (!answer.ok) throw new Error(`The history can't be had: ${answer.status}`);
  return answer.json();
}

const id = chatId();
const root = document.getElementById('root');
if (root) createRoot(root).render(<App id={id} history={await historyOf(id)} />);
