/**
 * Raises the fence, never lowers it; an open log lives on as if it were new.
 * KEYS: state, entries. ARGV: fence, expiry of an open log in ms.
 * Returns nil missing, the fence that holds the log (a number) if it is newer, else the state.
 */
export const LOG_FENCE = `#!lua flags=allow-oom
local state = redis.call('GET', KEYS[1])
if not state then return false end
local head, fence, closed, last = string.match(state, '^(%d+) (%d+) (%d) (%d+)$')
if tonumber(ARGV[1]) < tonumber(fence) then return tonumber(fence) end
state = head .. ' ' .. ARGV[1] .. ' ' .. closed .. ' ' .. last
redis.call('SET', KEYS[1], state, 'KEEPTTL')
if closed == '0' then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  redis.call('PEXPIRE', KEYS[2], ARGV[2])
end
return state
`;
