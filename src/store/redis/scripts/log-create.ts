/**
 * Makes an empty log unless there is one.
 * KEYS: state, entries. ARGV: expiry in ms. Returns nothing.
 */
export const LOG_CREATE = `#!lua
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('UNLINK', KEYS[2])
  redis.call('SET', KEYS[1], '0 0 0 0', 'PX', ARGV[1])
end
return false
`;
