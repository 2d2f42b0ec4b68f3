/**
 * Removes the log, and publishes an empty message: there is something to look at, and it is nothing.
 * KEYS: state, entries. No ARGV. Returns nothing.
 */
export const LOG_DROP = `#!lua flags=allow-oom
if redis.call('UNLINK', KEYS[1], KEYS[2]) > 0 then redis.call('PUBLISH', KEYS[2], '') end
return false
`;
