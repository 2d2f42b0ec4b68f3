import type { Job } from './job.ts';
import type { Command, TransitionResult } from './transition-command.ts';
import {
  claim,
  close,
  finish,
  handOver,
  heartbeat,
  promote,
  stop,
  takeFinalising,
  takeover,
  toolDone,
  toolStart,
} from './transition-drive.ts';
import {
  announced,
  decide,
  expire,
  lateResult,
  pause,
  restoreLog,
  warned,
} from './transition-pause.ts';
import { steer } from './transition-steer.ts';

/**
 * The whole life of a generation as one pure function (docs/ARCHITECTURE.md, state table T1–T18):
 *
 *   queued → running → (paused → queued …) → finalizing → finished
 *
 * No other code assigns a status. The result is written with compare-and-set on `version`, so a transition is
 * computed again from what is really there when somebody else was first.
 */
// oxlint-disable-next-line complexity -- one line per row of the state table
export function transition(job: Job, command: Command): TransitionResult {
  switch (command.type) {
    case 'promote':
      return promote(job, command);
    case 'claim':
      return claim(job, command);
    case 'heartbeat':
      return heartbeat(job, command);
    case 'pause':
      return pause(job, command);
    case 'announced':
      return announced(job, command);
    case 'warned':
      return warned(job, command);
    case 'decide':
      return decide(job, command);
    case 'tool_start':
      return toolStart(job, command);
    case 'tool_done':
      return toolDone(job, command);
    case 'finish':
      return finish(job, command);
    case 'abort':
    case 'supersede':
      return stop(job, command);
    case 'expire':
      return expire(job, command);
    case 'takeover':
      return takeover(job, command);
    case 'take_finalising':
      return takeFinalising(job, command);
    case 'close':
      return close(job, command);
    case 'late_result':
      return lateResult(job, command);
    case 'hand_over':
      return handOver(job, command);
    case 'restore_log':
      return restoreLog(job, command);
    case 'steer':
      return steer(job, command);
    default:
      return command satisfies never;
  }
}
