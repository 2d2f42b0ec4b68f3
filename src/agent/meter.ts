import type { TokenCount } from '../stream/message.ts';
import type { Owner } from '../stream/owner.ts';

/** Port: who pays for the calls of models. */
export interface Meter {
  /** Before a call. Rejects with RunError BUDGET_EXCEEDED where the user has nothing left to spend. */
  check(owner: Owner): Promise<void>;
  /** After it, also after one that failed, with what the provider told. Never rejects. */
  used(call: MeteredCall): Promise<void>;
}

export interface MeteredCall {
  owner: Owner;
  /** `<generationId>/<fence>/<call>`, or another name that no other call has. */
  key: string;
  /** `provider:model`. */
  model: string;
  tokens: TokenCount;
}

/** The meter as one model of a run sees it; `call` names an attempt. */
export interface CallMeter {
  check(): Promise<void>;
  used(call: string, tokens: TokenCount): Promise<void>;
}

/** What a call of a model belongs to. */
export interface MeterPlace {
  owner: Owner;
  /** E.g. `<generationId>/<fence>`. */
  prefix: string;
  model: string;
}

export function callMeter(meter: Meter, { owner, prefix, model }: MeterPlace): CallMeter {
  return {
    check: () => meter.check(owner),
    used: (call, tokens) => meter.used({ owner, key: `${prefix}/${call}`, model, tokens }),
  };
}
