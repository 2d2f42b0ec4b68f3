/**
 * Deletes a job and all that refers to it.
 *
 * KEYS   1 record   2 idempotency key   3 lane, 4 jobs, 5 live jobs, 6 waiting jobs of the conversation
 *        7 live jobs, 8 slots of the owner   9 queue   10 due   11 orphans   12 logs
 * ARGV   1 id
 * Returns 1 | 0: it was not there
 */
export const JOB_DELETE = `#!lua flags=allow-oom
local record, key, lane, jobs, live, waiting, owned, slots = unpack(KEYS, 1, 8)
local queue, due, orphans, logs = unpack(KEYS, 9, 12)
local id = ARGV[1]

local place = redis.call('HGET', record, 'place')
if not place then return 0 end
local member = place .. ':' .. id

redis.call('DEL', record, key)
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
return 1
`;
