import { z } from 'zod';
import { toolPolicySchema } from '../../hitl/tool-policy.ts';
import { jsonObjectSchema } from '../../stream/message.ts';
import {
  count,
  durationText,
  httpUrl,
  idText,
  modelText,
  regexText,
  secretText,
} from './values.ts';

/** The shape of `holdfast.yaml` (docs/AGENTS.md section 2). What refers to what is checked by `references.ts`. */

const named = <T extends z.ZodType>(value: T) => z.record(idText, value).default({});

const providerSchema = z.strictObject({
  /** Whose protocol it speaks. */
  type: z.enum(['openai', 'anthropic']),
  baseUrl: httpUrl.optional(),
  apiKey: secretText.optional(),
});

/** `effects` by glob over the server's own tool names; the first that matches holds, then the server's annotations. */
const mcpCommon = {
  timeout: durationText('100ms', '1h').default(60_000),
  connectTimeout: durationText('100ms', '5m').default(10_000),
  /** Globs over the server's own names; all where not given. */
  tools: z.array(z.string().min(1)).optional(),
  effects: z
    .array(z.strictObject({ tools: z.string(), effects: z.enum(['read', 'idempotent', 'unsafe']) }))
    .default([]),
  /** Without: a tool that is not said to be harmless is `unsafe`, whatever the server says. */
  trustAnnotations: z.boolean().default(true),
};

/** Part of the names that models and policies know its tools by: `_` only single and inside, so that those stay distinct. */
const serverName = z
  .string()
  .max(32)
  .regex(
    /^[a-zA-Z0-9]+(?:[-_][a-zA-Z0-9]+)*$/,
    'must be at most 32 letters and digits, with single - or _ between them',
  );

const mcpServerSchema = z.discriminatedUnion('transport', [
  z.strictObject({
    transport: z.literal('stdio'),
    command: z.string().min(1),
    args: z.array(z.string()).default([]),
    /** Values may hold `${NAME}`. Nothing else of our environment but PATH, HOME and the like is handed on. */
    env: z.record(z.string(), z.string()).default({}),
    cwd: z.string().optional(),
    ...mcpCommon,
  }),
  z.strictObject({
    transport: z.literal('http'),
    url: httpUrl,
    /** Values may hold `${NAME}` of the environment, and `{{user.id}}`, `{{user.tenant}}` of whose turn it is. */
    headers: z.record(z.string(), z.string()).default({}),
    ...mcpCommon,
  }),
]);

const contextSchema = z.strictObject({
  /** `trim`: the oldest turns are left out; `summarise`: a model's summary stands for them. */
  strategy: z.enum(['none', 'trim', 'summarise']).default('none'),
  /** Tokens of the history above which the strategy is applied. */
  maxTokens: count(10_000_000).default(100_000),
  /** Newest messages that are always kept as they are. */
  keepMessages: count(1_000).default(20),
  /** For summaries; the agent's own where not given. */
  model: modelText.optional(),
});

const fullSubAgent = z.strictObject({
  agent: idText,
  /** The tool's name; the agent's id where not given. */
  name: idText.optional(),
  /** By which the model tells when to call it; the agent's own where not given. */
  description: z.string().max(2_000).optional(),
});

const subAgentSchema = z.union([
  idText.transform((agent): z.output<typeof fullSubAgent> => ({ agent })),
  fullSubAgent,
]);

const agentSchema = z.strictObject({
  id: idText,
  name: z.string().min(1).max(200).optional(),
  description: z.string().max(2_000).optional(),
  model: modelText,
  parameters: jsonObjectSchema.default({}),
  /** `{{current_datetime}}` and the like are put in (docs/AGENTS.md section 3). */
  instructions: z.string().max(200_000).default(''),
  /** Built-in tools, tools given in code, and `mcp:server:glob`. */
  tools: z.array(z.string().min(1).max(200)).max(1_000).default([]),
  /** Only those that the model finds by searching are shown to it, besides the ones named here. */
  deferTools: z
    .union([z.boolean(), z.strictObject({ except: z.array(z.string()).default([]) })])
    .default(false),
  toolApproval: toolPolicySchema.prefault({}),
  /** `role:<name>`: added to those of `toolApproval`. */
  approvers: z.array(z.string().regex(/^role:.+$/, 'must be role:<name>')).default([]),
  subagents: z.array(subAgentSchema).max(100).default([]),
  /** Agents that it may let answer in its place, as tools `hand_off_to_<id>`. */
  handoffs: z.array(idText).max(100).default([]),
  maxSteps: count(1_000).default(25),
  /** Of one answer, those of sub-agents not counted. */
  maxToolCalls: count(100_000).optional(),
  title: z.strictObject({ model: modelText }).optional(),
  context: contextSchema.prefault({}),
  /** Media types of files that this agent takes, `image/*` and the like. */
  files: z.array(z.string().regex(/^[\w.+-]+\/[\w.+*-]+$/, 'must be a media type')).optional(),
});

const routingSchema = z.strictObject({
  rules: z
    .array(
      z.strictObject({
        name: idText,
        agent: idText,
        /** All that are given must hold. */
        when: z
          .strictObject({
            text: regexText.optional(),
            /** Media type of a file, `image/*` and the like. */
            attachment: z.string().optional(),
            /** Language of the caller, `de` also for `de-AT`. */
            locale: z.string().optional(),
            role: z.string().optional(),
            metadata: z
              .record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
              .optional(),
          })
          .refine((when) => Object.keys(when).length > 0, 'must name a condition'),
      }),
    )
    .default([]),
  /** Asked where no rule holds; its choice is kept for the same text. */
  model: modelText.optional(),
  timeout: durationText('100ms', '1m').default(3_000),
});

const price = z.number().min(0);

const piiKind = z.enum(['email', 'phone', 'card', 'iban', 'ip']);

export const fileSchema = z.strictObject({
  defaultAgent: idText.optional(),
  /** None is allowed where the program has agents of its own. */
  agents: z.array(agentSchema).max(1_000).default([]),
  /** The service's word on tool calls; TOOL_POLICY where not given. */
  policy: toolPolicySchema.optional(),
  providers: named(providerSchema),
  mcpServers: z.record(serverName, mcpServerSchema).default({}),
  routing: routingSchema.prefault({}),
  /** By model; per million tokens. `*` is for models that are not named. */
  prices: z
    .record(
      z.string(),
      z.strictObject({ input: price, output: price, cacheRead: price.optional() }),
    )
    .default({}),
  currency: z
    .string()
    .regex(/^[A-Z]{3}$/, 'must be three capital letters')
    .default('USD'),
  /** What one user may use in a day (UTC). */
  budget: z
    .strictObject({ tokens: count(1e12).optional(), cost: z.number().positive().optional() })
    .prefault({}),
  content: z
    .strictObject({
      pii: z
        .array(z.strictObject({ kind: piiKind, action: z.enum(['refuse', 'mask']) }))
        .default([]),
      moderation: z
        .strictObject({
          /** A provider of type openai, of the file or built in. */
          provider: idText,
          model: z.string().default('omni-moderation-latest'),
          timeout: durationText('100ms', '1m').default(5_000),
          /** What becomes of a text where the endpoint can't be asked. */
          onError: z.enum(['allow', 'refuse']).default('refuse'),
        })
        .optional(),
    })
    .prefault({}),
  httpFetch: z
    .strictObject({
      /** Host names, `*.example.com` and the like; all public ones where not given. */
      allow: z.array(z.string().min(1)).optional(),
      maxBytes: count(100_000_000).default(1_000_000),
      timeout: durationText('100ms', '5m').default(20_000),
    })
    .prefault({}),
  /** How long things are kept after their last use; for ever where not given. */
  retention: z
    .strictObject({
      conversations: durationText('1h', '3650d').optional(),
      files: durationText('1h', '3650d').optional(),
      audit: durationText('1h', '3650d').optional(),
    })
    .prefault({}),
});

/** Checked, with every default in place. */
export type ConfigFile = z.output<typeof fileSchema>;
export type AgentEntry = ConfigFile['agents'][number];
export type McpServerEntry = ConfigFile['mcpServers'][string];
export type ProviderEntry = ConfigFile['providers'][string];
