/**
 * Appends one entry, in the order of checks of log-rules.ts, and publishes it on the channel with the name of the
 * stream: fence and sequence of the entry before it, a line end, the entry. A newer fence is kept even where the append
 * is refused. This runs for every flush of every generation: each call in it counts.
 * KEYS: state, entries.
 * ARGV: fence, head that is expected, head after it, id of the entry, 1 if it is final, the entry, expiry in ms.
 * Returns 0 appended, -1 missing, {1, fence} stale fence, {2, head} closed, {3, head} out of sequence.
 */
export const LOG_APPEND = `#!lua
local state = redis.call('GET', KEYS[1])
if not state then return -1 end
local head, first, fence, closed, last = string.match(state, '^(%d+) (%d+) (%d+) (%d) (%d+)$')
local mine = ARGV[1]
if mine ~= fence and tonumber(mine) < tonumber(fence) then return {1, tonumber(fence)} end
if closed == '1' or head ~= ARGV[2] then
  if mine ~= fence then
    redis.call('SET', KEYS[1], head .. ' ' .. first .. ' ' .. mine .. ' ' .. closed .. ' ' .. last, 'KEEPTTL')
  end
  return {closed == '1' and 2 or 3, tonumber(head)}
end
redis.call('XADD', KEYS[2], ARGV[4], 'e', ARGV[6])
redis.call('PEXPIRE', KEYS[2], ARGV[7])
redis.call('SET', KEYS[1], ARGV[3] .. ' ' .. first .. ' ' .. mine .. ' ' .. ARGV[5] .. ' ' .. mine, 'PX', ARGV[7])
redis.call('PUBLISH', KEYS[2], last .. ' ' .. head .. '\\n' .. ARGV[6])
return 0
`;
