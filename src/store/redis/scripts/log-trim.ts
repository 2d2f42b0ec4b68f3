/**
 * Takes away what is up to a place. An entry that reaches over it stays: readers cut it at the first event kept.
 * KEYS: state, entries. ARGV: sequence up to and with which. Returns nothing.
 */
export const LOG_TRIM = `#!lua flags=allow-oom
local state = redis.call('GET', KEYS[1])
if not state then return false end
local head, first, rest = string.match(state, '^(%d+) (%d+) (.*)$')
local kept = math.min(tonumber(ARGV[1]), tonumber(head)) + 1
if kept > tonumber(first) then
  redis.call('SET', KEYS[1], head .. ' ' .. kept .. ' ' .. rest, 'KEEPTTL')
  redis.call('XTRIM', KEYS[2], 'MINID', kept)
end
return false
`;
