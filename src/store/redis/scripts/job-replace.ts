/**
 * Replaces the record of a job at the version that was read, and puts it into the indexes that its new state belongs to.
 * A server that took over may lack the last writes, and give their versions to others: what never falls, the fence and the
 * number of steers, says so.
 *
 * KEYS   1 record   2 lane, 3 live jobs, 4 waiting jobs of the conversation   5 live jobs, 6 slots of the owner
 *        7 queue   8 due   9 orphans   10 logs   11… idempotency keys of its steers
 * ARGV   1 id   2 record   3 version   4 expected version; then what it is in each index, '' where it is not in it:
 *        5 live ('1')   6 lane ('1')   7 slots ('1')   8 queuedAt   9 queuedAt of a waiting job   10 dueAt   11 finishedAt   12 fence
 * Returns {'stored'} | {'stale', record or null} | {'lane_taken'} | {'key_taken'}
 */
export const JOB_REPLACE = `#!lua
local record, lane, live, waiting, owned, slots, queue, due, orphans, logs = unpack(KEYS, 1, 10)
local id, text, version, expected, is_live, is_active, uses_slot = unpack(ARGV, 1, 7)
local queued_at, waiting_since, due_at, finished_at, fence = unpack(ARGV, 8, 12)
local steers = #KEYS - 10

local stored = redis.call('HMGET', record, 'version', 'place', 'log_dropped', 'fence', 'steers')
local passed = tonumber(stored[4] or 0) > tonumber(fence) or tonumber(stored[5] or 0) > steers
if stored[1] ~= expected or passed then return { 'stale', redis.call('HGET', record, 'record') } end
local holder = redis.call('GET', lane)
if is_active ~= '' and holder and holder ~= id then return { 'lane_taken' } end
for at = 11, #KEYS do
  local other = redis.call('GET', KEYS[at])
  if other and other ~= id then return { 'key_taken' } end
end

local place = stored[2]
local member = place .. ':' .. id

local function put(index, entry, score)
  if score == '' then
    redis.call('ZREM', index, entry)
  else
    redis.call('ZADD', index, score, entry)
  end
end

redis.call('HSET', record, 'record', text, 'version', version, 'fence', fence)
if steers > 0 then redis.call('HSET', record, 'steers', steers) end
for at = 11, #KEYS do redis.call('SET', KEYS[at], id) end
put(live, id, is_live ~= '' and place or '')
put(owned, id, is_live ~= '' and place or '')
redis.call(uses_slot ~= '' and 'SADD' or 'SREM', slots, id)
put(queue, id, queued_at)
put(due, member, due_at)
put(logs, member, stored[3] and '' or finished_at)
put(waiting, member, waiting_since)

if is_active ~= '' then
  redis.call('SET', lane, id)
  holder = id
elseif holder == id then
  redis.call('DEL', lane)
  holder = false
end
if waiting_since == '' then redis.call('ZREM', orphans, member) end
local behind = redis.call('ZRANGE', waiting, 0, -1, 'WITHSCORES')
for at = 1, #behind, 2 do
  put(orphans, behind[at], holder and '' or behind[at + 1])
end
return { 'stored' }
`;
