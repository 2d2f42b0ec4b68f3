/**
 * The record of the job that has an idempotency key.
 *
 * KEYS   1 idempotency key
 * ARGV   1 prefix of record keys
 * Returns {record} | {}
 *
 * The record is read by a key that is not among KEYS, but in its slot.
 */
export const JOB_BY_KEY = `#!lua flags=no-writes
local id = redis.call('GET', KEYS[1])
if not id then return {} end
return { redis.call('HGET', ARGV[1] .. id, 'record') }
`;
