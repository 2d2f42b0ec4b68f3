/**
 * The records of a part of an index whose members are ids.
 *
 * KEYS   1 index
 * ARGV   1 prefix of record keys   2 first rank   3 last rank (negative: from the end)
 * Returns the records, in the order of the index
 *
 * The records are read by keys that are not among KEYS, but in their slot: one atomic look at the index and what it names.
 */
export const JOB_RANGE = `#!lua flags=no-writes
local records = {}
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], ARGV[2], ARGV[3])) do
  records[#records + 1] = redis.call('HGET', ARGV[1] .. id, 'record')
end
return records
`;
