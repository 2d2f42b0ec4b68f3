/**
 * The clock of one and the same server of a Redis Cluster, whose own clocks may differ.
 * KEYS: any key of the slot that it has. Returns {seconds, microseconds}.
 */
export const TIME = `#!lua flags=no-writes
return redis.call('TIME')
`;
