import { interrupt } from '@langchain/langgraph';
import { DynamicStructuredTool } from '@langchain/core/tools';
import { z } from 'zod';
import { answersFor } from './interrupt-value.ts';
import type { QuestionsValue } from './interrupt-value.ts';
import { toolMessage } from './tool-message.ts';
import { defineTool } from './tools.ts';
import type { LangGraphToolConfig, ToolDefinition } from './tools.ts';

const text = z.string().trim().min(1);

const schema = z.object({
  questions: z
    .array(
      z
        .object({
          question: text.max(2_000),
          header: text.max(100).optional(),
          options: z
            .array(
              z.object({
                label: text.max(200),
                value: text.max(200).optional(),
                description: z.string().max(500).optional(),
              }),
            )
            .min(1)
            .max(20)
            .optional(),
          multiSelect: z.boolean().optional(),
          freeText: z.boolean().optional().describe('False: only the options may be answered.'),
        })
        .refine(
          ({ options = [] }) => isDistinct(options.map(({ label, value }) => value ?? label)),
          {
            error: 'options must differ',
          },
        )
        .refine(({ options, freeText }) => options !== undefined || freeText !== false, {
          error: 'without options free text must be allowed',
        }),
    )
    .min(1)
    .max(4),
});

function isDistinct(values: string[]): boolean {
  return new Set(values).size === values.length;
}

export const ASK_USER = 'ask_user';

/** Questions for the person. They have no effect; the run waits for the answers as it waits for an approval. */
export function askUserTool(): ToolDefinition {
  const name = ASK_USER;
  const description =
    'Asks the user one to four questions and waits for the answers. Offer options where there are few good answers.';
  const shape = defineTool({ name, description, schema, effects: 'read', run: async () => '' });
  return {
    ...shape,
    bind: () =>
      new DynamicStructuredTool({
        name,
        description,
        schema,
        async func({ questions }, _manager, config: LangGraphToolConfig = {}) {
          const toolCallId = config.toolCall?.id ?? '';
          const value: QuestionsValue = {
            kind: 'ask_user_question',
            at: String(config.configurable?.['checkpoint_ns']),
            toolCallId,
            questions: questions.map((question, index) => ({ id: `q${index + 1}`, ...question })),
          };
          const responseSchema = answersFor(value);
          const { answers } = interrupt<QuestionsValue, z.infer<typeof responseSchema>>(value, {
            responseSchema,
          });
          const said = value.questions.map(({ id, question }) => {
            return { question, answer: answers[id] ?? '' };
          });
          const output = JSON.stringify(said, null, 2);
          return toolMessage({ id: toolCallId, name }, { status: 'ok', output });
        },
      }),
  };
}
