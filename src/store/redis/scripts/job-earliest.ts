/**
 * The records that come first in one order of time over several indexes, whose members are '<place of 16 digits>:<id>'.
 *
 * KEYS   1.. indexes
 * ARGV   1 prefix of record keys   2 how many at most   3.. latest time of each index
 * Returns the records, by time, then by age
 *
 * The records are read by keys that are not among KEYS, but in their slot: one atomic look at the indexes and what they
 * name.
 */
export const JOB_EARLIEST = `#!lua flags=no-writes
local prefix, limit = ARGV[1], tonumber(ARGV[2])
local found = {}
for i, index in ipairs(KEYS) do
  local page = redis.call('ZRANGE', index, '-inf', ARGV[i + 2], 'BYSCORE', 'LIMIT', 0, limit, 'WITHSCORES')
  for at = 1, #page, 2 do
    found[#found + 1] = { member = page[at], time = tonumber(page[at + 1]) }
  end
end
table.sort(found, function(a, b)
  if a.time ~= b.time then return a.time < b.time end
  return a.member < b.member
end)

local records = {}
for i = 1, math.min(limit, #found) do
  records[i] = redis.call('HGET', prefix .. string.sub(found[i].member, 18), 'record')
end
return records
`;
