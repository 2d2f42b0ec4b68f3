/**
 * Deletes a job and all that refers to it.
 *
 * KEYS   1 record   2 idempotency key   3 lane, 4 jobs, 5 live jobs, 6 waiting jobs of the conversation
 *        7 live jobs, 8 slots of the owner   9 queue   10 due   11 orphans   12 logs
 *        13… idempotency keys of its steers
 * ARGV   1 id
 * Returns {'deleted'} | {'gone'}: it was not there | {'steered'}: it has more steers than KEYS say
 */
export const JOB_DELETE = `#!lua flags=allow-oom
local record, key, lane, jobs, live, waiting, owned, slots = unpack(KEYS, 1, 8)
local queue, due, orphans, logs = unpack(KEYS, 9, 12)
local id = ARGV[1]

local stored = redis.call('HMGET', record, 'place', 'steers')
local place = stored[1]
if not place then return { 'gone' } end
if tonumber(stored[2] or 0) ~= #KEYS - 12 then return { 'steered' } end
local member = place .. ':' .. id

redis.call('DEL', record, key)
for at = 13, #KEYS do redis.call('DEL', KEYS[at]) end
for _, index in ipairs({ jobs, live, owned, queue }) do
  redis.call('ZREM', index, id)
end
for _, index in ipairs({ waiting, due, orphans, logs }) do
  redis.call('ZREM', index, member)
end
redis.call('SREM', slots, id)
if redis.call('GET', lane) == id then
  redis.call('DEL', lane)
  local behind = redis.call('ZRANGE', waiting, 0, -1, 'WITHSCORES')
  for at = 1, #behind, 2 do
    redis.call('ZADD', orphans, behind[at + 1], behind[at])
  end
end
return { 'deleted' }
`;
