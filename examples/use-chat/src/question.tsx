import { type FormEvent, useState } from 'react';
import type { Answered, Asked } from './message.ts';

interface Props {
  questions: Asked['questions'];
  onAnswer: (output: Answered) => void;
}

export function Question({ questions, onAnswer }: Props) {
  const [answers, setAnswers] = useState<Answered['answers']>({});

  const submit = (event: FormEvent) => {
    event.preventDefault();
    onAnswer({ answers });
  };

  return (
    <form onSubmit={submit}>
      {questions.map(({ id, question, options = [] }) => (
        <label key={id}>
          {question}
          <input
            required
            list={`options-${id}`}
            value={answers[id] ?? ''}
            onChange={({ target }) => setAnswers({ ...answers, [id]: target.value })}
          />
          <datalist id={`options-${id}`}>
            {options.map(({ label, value = label }) => (
              <option key={value} value={value}>
                {label}
              </option>
            ))}
          </datalist>
        </label>
      ))}
      <button>Answer</button>
    </form>
  );
}
