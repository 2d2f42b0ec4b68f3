import type { Command } from '../../src/stream/transition-command.ts';
import {
  actor,
  approval,
  call,
  decided,
  EXPIRY,
  LEASE_END,
  said,
  steerOf,
  WARNING,
} from './jobs-sim.ts';

/** One command of each kind, made for the jobs of jobs-sim.ts: fence 3, action a1, call c1. */

export const result = { status: 'ok' as const, output: 'sent' };
export const verdict = { decisions: [said('c1', 'approve')] };
/** What R1 gets at 100. */
export const newLease = { driver: 'R1', leaseUntil: 100 + LEASE_END };

export const commands = {
  promote: { type: 'promote' },
  claim: { type: 'claim', actor: actor(100, 'R1') },
  heartbeat: { type: 'heartbeat', fence: 3, actor: actor(100, 'R1') },
  pause: {
    type: 'pause',
    fence: 3,
    pause: { action: approval('a1', 1), interruptId: 'i1', warnAt: WARNING },
    actor: actor(100, 'R1'),
    logged: 0,
  },
  announced: { type: 'announced', actionId: 'a1' },
  warned: { type: 'warned', actionId: 'a1' },
  decide: { type: 'decide', resolution: decided('a1', verdict), now: 100 },
  tool_start: { type: 'tool_start', fence: 3, entry: { ...call('c1'), effects: 'unsafe' } },
  tool_done: { type: 'tool_done', toolCallId: 'c1', result },
  finish: {
    type: 'finish',
    logged: 0,
    fence: 3,
    outcome: 'completed',
    error: null,
    actor: actor(100, 'R1'),
    heard: [],
  },
  abort: { type: 'abort', actor: actor(100, 'R1'), by: 'u' },
  supersede: { type: 'supersede', actor: actor(100, 'R1'), by: 'u' },
  expire: { type: 'expire', actionId: 'a1', policy: 'fail', actor: actor(EXPIRY, 'R1') },
  takeover: {
    type: 'takeover',
    actor: actor(LEASE_END, 'R1'),
    maxAttempts: 2,
    question: { actionId: 'a9', expiresAt: null, warnAt: null },
  },
  take_finalising: { type: 'take_finalising', actor: actor(LEASE_END, 'R1') },
  close: { type: 'close', fence: 3, now: 100, end: { fence: 3, seq: 12 } },
  late_result: { type: 'late_result', now: 100 },
  hand_over: { type: 'hand_over', fence: 3, now: 100 },
  restore_log: { type: 'restore_log', actionId: 'a1' },
  steer: { type: 'steer', steer: steerOf('m1') },
} satisfies { [T in Command['type']]: Extract<Command, { type: T }> };
