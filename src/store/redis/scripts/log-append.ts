/**
 * Appends one entry, in the order of checks of log-rules.ts, and publishes it on the channel with the name of the
 * stream: fence and sequence of the entry before it, a line end, the entry. A newer fence is kept even where the append
 * is refused. This runs for every flush of every generation: each call in it counts.
 * KEYS: state, entries.
 * ARGV: fence, head that is expected, number of events, the entry, expiry in ms, below 0 if the entry is final.
 * Returns 0 appended, -1 missing, {1, fence} stale fence, {2, head} closed, {3, head} out of sequence.
 */
export const LOG_APPEND = `#!lua
local state = redis.call('GET', KEYS[1])
if not state then return -1 end
local head, fence, closed, last = string.match(state, '^(%d+) (%d+) (%d) (%d+)$')
local mine = ARGV[1]
if mine ~= fence and tonumber(mine) < tonumber(fence) then return {1, tonumber(fence)} end
if closed == '1' or head ~= ARGV[2] then
  if mine ~= fence then
    redis.call('SET', KEYS[1], head .. ' ' .. mine .. ' ' .. closed .. ' ' .. last, 'KEEPTTL')
  end
  return {closed == '1' and 2 or 3, tonumber(head)}
end
local next, ttl = head + ARGV[3], ARGV[5] + 0
local final = ttl < 0
if final then ttl = -ttl end
redis.call('XADD', KEYS[2], next .. '-' .. ARGV[3], 'e', ARGV[4])
redis.call('PEXPIRE', KEYS[2], ttl)
redis.call('SET', KEYS[1], next .. ' ' .. mine .. (final and ' 1 ' or ' 0 ') .. mine, 'PX', ttl)
redis.call('PUBLISH', KEYS[2], last .. ' ' .. head .. '\\n' .. ARGV[4])
return 0
`;
