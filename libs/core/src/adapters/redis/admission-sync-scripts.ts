/**
 * What of a tenant, and of a pool, waits for an answer. KEYS: [1] zset of the tenant's reservations, "{tokens} {id}" by when they expire, [2] hash of its meter,
 * [3] and [4] the same of the pool. A meter: `sum` tokens reserved; and of about the last ten seconds in which anything was, `drained` tokens and `count` of
 * what was released, and `busy` milliseconds. That of a pool also has `rate`, the tokens a second that calls bring, those refused for want of workers included,
 * as it was at `seen`; earlier ones count less, those of half a minute ago a third.
 *
 * Times are Redis' own, in milliseconds.
 */
const COMMON = `
local MEMORY_MS, IDLE_MS, RATE_MS = 10000, 3600000, 30000
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- The meter as it is now: time in which nothing was reserved tells nothing of the speed.
local function read(meter, reserved)
  local kept = redis.call('HMGET', meter, 'sum', 'at', 'drained', 'count', 'busy')
  local m = { sum = tonumber(kept[1] or 0), drained = tonumber(kept[3] or 0), count = tonumber(kept[4] or 0), busy = tonumber(kept[5] or 0) }
  if m.sum > 0 then
    local left = math.exp((tonumber(kept[2]) - now) / MEMORY_MS)
    m.drained, m.count, m.busy = m.drained * left, m.count * left, m.busy * left + MEMORY_MS * (1 - left)
  end
  for _, entry in ipairs(redis.call('ZRANGEBYSCORE', reserved, '-inf', now)) do
    redis.call('ZREM', reserved, entry)
    m.sum = m.sum - tonumber(string.match(entry, '^%d+'))
  end
  return m
end

-- Tokens a second that come, as of now, and how long ago the last did.
local function arriving(meter)
  local kept = redis.call('HMGET', meter, 'rate', 'seen')
  if not kept[1] then return 0, -1 end
  local ago = math.max(0, now - tonumber(kept[2]))
  return tonumber(kept[1]) * math.exp(-ago / RATE_MS), ago
end

local function write(meter, reserved, m)
  if redis.call('EXISTS', reserved) == 0 then m.sum = 0 end
  redis.call('HSET', meter, 'sum', m.sum, 'at', now, 'drained', m.drained, 'count', m.count, 'busy', m.busy)
  redis.call('PEXPIRE', meter, IDLE_MS)
  redis.call('PEXPIRE', reserved, IDLE_MS)
end
`;

/**
 * ARGV: id, tokens, timeout and grace in ms, limit of the tenant, tokens a second of the pool (0: unknown).
 * Returns 'admitted', 'tenant' or 'deadline'; tokens of the tenant that are reserved now; ms until all of them are released; ms until the call would fit.
 */
export const RESERVE_SYNC = `${COMMON}
local tokens, timeout, limit, speed = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[5]), tonumber(ARGV[6])
local tenant, pool = read(KEYS[2], KEYS[1]), read(KEYS[4], KEYS[3])

-- When so many tokens will have expired at the latest, as if every process that reserved them had died.
local function expiry_of(wanted)
  local found, from = 0, 0
  while true do
    local page = redis.call('ZRANGE', KEYS[1], from, from + 63, 'WITHSCORES')
    for i = 1, #page, 2 do
      found = found + tonumber(string.match(page[i], '^%d+'))
      if found >= wanted then return tonumber(page[i + 1]) - now end
    end
    if #page < 128 then return page[#page] and tonumber(page[#page]) - now or 0 end
    from = from + 64
  end
end

-- Tokens come free a call at a time: one more than is missing. Without any release so far, as long again as there was none.
local function released_in(wanted)
  if tenant.drained <= 0 then return tenant.busy end
  return (wanted + tenant.drained / tenant.count) * tenant.busy / tenant.drained
end

local function reset_in()
  local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2]
  if not last then return 0 end
  return math.min(tonumber(last) - now, tenant.drained > 0 and tenant.sum * tenant.busy / tenant.drained or math.huge)
end

local verdict, wait = 'admitted', 0
local over = tenant.sum + tokens - limit
if over > 0 then
  verdict, wait = 'tenant', math.min(released_in(over), expiry_of(over))
elseif speed > 0 and pool.sum > 0 then
  local seen = pool.busy > 0 and pool.drained / pool.busy or 0
  local ahead = pool.sum / math.max(speed / 1000, seen)
  if ahead > timeout then verdict, wait = 'deadline', ahead - timeout end
end
if verdict == 'admitted' then
  local entry, expiry = tokens .. ' ' .. ARGV[1], now + timeout + tonumber(ARGV[4])
  redis.call('ZADD', KEYS[1], expiry, entry)
  redis.call('ZADD', KEYS[3], expiry, entry)
  tenant.sum, pool.sum = tenant.sum + tokens, pool.sum + tokens
end
write(KEYS[2], KEYS[1], tenant)
write(KEYS[4], KEYS[3], pool)
if verdict ~= 'tenant' then redis.call('HSET', KEYS[4], 'rate', arriving(KEYS[4]) + tokens * 1000 / RATE_MS, 'seen', now) end
return { verdict, tenant.sum, math.ceil(reset_in()), math.ceil(wait) }
`;

/** KEYS: those of a pool. Returns tokens reserved, tokens a second that come (as text), ms since the last call (−1: none in the last hour). Changes no figure. */
export const LOAD_SYNC = `${COMMON}
local m = read(KEYS[2], KEYS[1])
if redis.call('EXISTS', KEYS[1]) == 0 then m.sum = 0 end
if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('HSET', KEYS[2], 'sum', m.sum, 'at', now, 'drained', m.drained, 'count', m.count, 'busy', m.busy) end
local rate, ago = arriving(KEYS[2])
return { m.sum, string.format('%.3f', rate), ago }
`;

/** ARGV: id, tokens. Releasing again, or what has expired, changes nothing. */
export const RELEASE_SYNC = `${COMMON}
local entry, tokens = ARGV[2] .. ' ' .. ARGV[1], tonumber(ARGV[2])
for i = 1, 3, 2 do
  local reserved, meter = KEYS[i], KEYS[i + 1]
  if redis.call('ZREM', reserved, entry) == 1 then
    local m = read(meter, reserved)
    m.sum, m.drained, m.count = m.sum - tokens, m.drained + tokens, m.count + 1
    write(meter, reserved, m)
  end
end
`;
