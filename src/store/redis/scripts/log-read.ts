/**
 * The state and the entries from a place on. It stops where the caller has enough: at least as many events as asked
 * for, or more bytes. Bytes are counted low (an entry has some of its own, the first one is cut by the caller), so that
 * there is never too little.
 * KEYS: state, entries. ARGV: sequence after which to begin, events, bytes.
 * Returns nil missing, else {state, id, entry, id, entry, ...}.
 */
export const LOG_READ = `#!lua flags=no-writes
local state = redis.call('GET', KEYS[1])
if not state then return false end
local head = string.match(state, '^(%d+) ')
local from = tonumber(ARGV[1]) + 1
local limit, bytes = tonumber(ARGV[2]), tonumber(ARGV[3])
local found = {state}
local at = string.format('%.0f', from)
while from <= tonumber(head) do
  local page = redis.call('XRANGE', KEYS[2], at, '+', 'COUNT', 32)
  for _, entry in ipairs(page) do
    local id, text = entry[1], entry[2][2]
    found[#found + 1] = id
    found[#found + 1] = text
    local last, count = string.match(id, '^(%d+)-(%d+)$')
    if #found > 3 then bytes = bytes - #text + 32 * tonumber(count) end
    if tonumber(last) - from + 1 >= limit or bytes < 0 then return found end
    at = '(' .. id
  end
  if #page < 32 then return found end
end
return found
`;
