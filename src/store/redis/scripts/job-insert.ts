/**
 * Inserts a job, unless something speaks against it.
 *
 * KEYS   1 record   2 idempotency key   3 lane, 4 jobs, 5 live jobs, 6 waiting jobs of the conversation
 *        7 live jobs, 8 slots of the owner   9 queue   10 orphans   11 counter of jobs
 * ARGV   1 id   2 record   3 version   4 prefix of record keys   5 limit of the owner   6 'active' or 'waiting'
 *        7 queuedAt
 * Returns {'inserted'} | {'duplicate', record} | {'busy', record} | {'limit', slots in use} | {'used'}
 *
 * Other records are read by a key that is not among KEYS, but in their slot, and before the first write: a slot that is
 * moving fails the script while nothing has changed.
 */
export const JOB_INSERT = `#!lua
local record, key, lane, jobs, live, waiting, owned, slots, queue, orphans, counter = unpack(KEYS)
local id, text, version, prefix, limit, wanted, queued_at = unpack(ARGV)

local same = redis.call('GET', key)
if same then return { 'duplicate', redis.call('HGET', prefix .. same, 'record') } end
local holder = redis.call('GET', lane)
if wanted == 'active' and holder then
  return { 'busy', redis.call('HGET', prefix .. holder, 'record') }
end
local used = redis.call('SCARD', slots)
if used >= tonumber(limit) then return { 'limit', used } end
if redis.call('EXISTS', record) == 1 then return { 'used' } end

local place = string.format('%016d', redis.call('INCR', counter))
local member = place .. ':' .. id
redis.call('HSET', record, 'record', text, 'version', version, 'place', place)
redis.call('SET', key, id)
redis.call('ZADD', jobs, place, id)
redis.call('ZADD', live, place, id)
redis.call('ZADD', owned, place, id)
redis.call('SADD', slots, id)
if wanted == 'active' then
  redis.call('SET', lane, id)
  redis.call('ZADD', queue, queued_at, id)
  for _, behind in ipairs(redis.call('ZRANGE', waiting, 0, -1)) do
    redis.call('ZREM', orphans, behind)
  end
else
  redis.call('ZADD', waiting, queued_at, member)
  if not holder then redis.call('ZADD', orphans, queued_at, member) end
end
return { 'inserted' }
`;
