/**
 * Marks that the log of a finished job is gone, for good.
 *
 * KEYS   1 record   2 logs
 * ARGV   1 id
 * Returns 1 | 0: it is not finished, was marked before, or is not there
 */
export const JOB_DROP_LOG = `#!lua flags=allow-oom
local place = redis.call('HGET', KEYS[1], 'place')
if not place then return 0 end
if redis.call('ZREM', KEYS[2], place .. ':' .. ARGV[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'log_dropped', '1')
return 1
`;
