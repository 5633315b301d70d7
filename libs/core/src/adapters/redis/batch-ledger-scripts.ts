/**
 * The ledger's scripts. KEYS[1] is the common prefix, which puts every key into one hash slot. Under it:
 *
 *     job:{id}               hash    the job and its counters; "x {slice}" of each slice that was handed out through the express queue
 *     done:{id}              bitmap  slices that are done
 *     flying:{pool}          zset    "{job} {slice}" by when it was handed out
 *     queue:{pool} {tenant}  zset    jobs with slices to hand out, by when their turn comes
 *     tenants:{pool}         zset    tenants with such jobs, by virtual time
 *     unserved:{pool}        zset    those of them with nothing in flight
 *     fresh:{pool}           zset    those of them that may have a slice more as a new flow
 *     flows:{pool}           set     tenants with such jobs or with something in flight
 *     times:{pool}           hash    virtual time of every tenant; the field "" is that of the last pick
 *     flights:{pool}         hash    slices in flight of a tenant
 *     express:{pool}         hash    slices that a tenant was given as a new flow
 *     expiry, ending         zset    open jobs by when they expire; jobs that can be finished, or were closed, by when
 *     pools                  set
 */
export const COMMON = `
local P = KEYS[1] .. ':'
local function text(key, field) return redis.call('HGET', key, field) end
local function number(key, field) return tonumber(redis.call('HGET', key, field) or '0') end

local function stop_waiting(pool, tenant)
  for _, index in ipairs({ 'tenants:', 'unserved:', 'fresh:' }) do redis.call('ZREM', P .. index .. pool, tenant) end
end

local function leave_queue(pool, tenant, id)
  local queue = P .. 'queue:' .. pool .. ' ' .. tenant
  redis.call('ZREM', queue, id)
  if redis.call('ZCARD', queue) == 0 then stop_waiting(pool, tenant) end
end

-- Puts a tenant that waits where its turn is looked for.
local function index_waiting(pool, tenant, time, new_flow)
  redis.call('ZADD', P .. 'tenants:' .. pool, time, tenant)
  redis.call('SADD', P .. 'flows:' .. pool, tenant)
  if number(P .. 'flights:' .. pool, tenant) > 0 then
    redis.call('ZREM', P .. 'unserved:' .. pool, tenant)
  else
    redis.call('ZADD', P .. 'unserved:' .. pool, time, tenant)
  end
  if number(P .. 'express:' .. pool, tenant) >= new_flow then
    redis.call('ZREM', P .. 'fresh:' .. pool, tenant)
  else
    redis.call('ZADD', P .. 'fresh:' .. pool, time, tenant)
  end
end

-- A tenant without anything queued or in flight is a new flow when it comes back.
local function forget_flow_if_idle(pool, tenant)
  if redis.call('HGET', P .. 'flights:' .. pool, tenant) then return end
  if redis.call('ZSCORE', P .. 'tenants:' .. pool, tenant) then return end
  redis.call('HDEL', P .. 'express:' .. pool, tenant)
  redis.call('SREM', P .. 'flows:' .. pool, tenant)
end

local function land(pool, tenant, flight, id)
  if redis.call('ZREM', P .. 'flying:' .. pool, flight) == 0 then return end
  redis.call('HINCRBY', P .. 'job:' .. id, 'flying', -1)
  if redis.call('HINCRBY', P .. 'flights:' .. pool, tenant, -1) > 0 then return end
  redis.call('HDEL', P .. 'flights:' .. pool, tenant)
  local time = redis.call('ZSCORE', P .. 'tenants:' .. pool, tenant)
  if time then redis.call('ZADD', P .. 'unserved:' .. pool, time, tenant) end
end

-- Everything of a job that is in flight or waits for its turn makes room.
local function clear(id, pool, tenant)
  if number(P .. 'job:' .. id, 'flying') > 0 then
    for _, flight in ipairs(redis.call('ZRANGE', P .. 'flying:' .. pool, 0, -1)) do
      if string.sub(flight, 1, #id + 1) == id .. ' ' then land(pool, tenant, flight, id) end
    end
  end
  leave_queue(pool, tenant, id)
  forget_flow_if_idle(pool, tenant)
end

local function changed(id)
  redis.call('HINCRBY', P .. 'job:' .. id, 'version', 1)
  redis.call('PUBLISH', KEYS[1] .. ':events', id)
end

local function is_finishable(job)
  if number(job, 'done') >= number(job, 'slices') then return true end
  return redis.call('HEXISTS', job, 'closing') == 1 and number(job, 'flying') <= 0
end
`;

/** ARGV: id, tenant, pool, priority, created, expires, slices, total, rejected, pairs, turn, now, bitmap of the slices done (may be empty), five counters, tokens, slices of a new flow. */
export const OPEN = `${COMMON}
local id, tenant, pool = ARGV[1], ARGV[2], ARGV[3]
local job = P .. 'job:' .. id
if redis.call('EXISTS', job) == 1 then return 0 end
redis.call('HSET', job, 'tenant', tenant, 'pool', pool, 'priority', ARGV[4], 'created', ARGV[5], 'expires', ARGV[6], 'slices', ARGV[7],
  'total', ARGV[8], 'rejected', ARGV[9], 'pairs', ARGV[10], 'turn', ARGV[11], 'next', 0, 'flying', 0, 'version', 1,
  'succeeded', ARGV[14], 'errored', ARGV[15], 'cancelled', ARGV[16], 'expired', ARGV[17], 'pairs_done', ARGV[18], 'tokens', ARGV[19])
redis.call('DEL', P .. 'done:' .. id)
if #ARGV[13] > 0 then redis.call('SET', P .. 'done:' .. id, ARGV[13]) end
local done = redis.call('BITCOUNT', P .. 'done:' .. id)
redis.call('HSET', job, 'done', done)
redis.call('SADD', P .. 'pools', pool)
redis.call('ZADD', P .. 'expiry', ARGV[6], id)
if done >= tonumber(ARGV[7]) then
  redis.call('ZADD', P .. 'ending', ARGV[12], id)
else
  redis.call('ZADD', P .. 'queue:' .. pool .. ' ' .. tenant, ARGV[11], id)
  if not redis.call('ZSCORE', P .. 'tenants:' .. pool, tenant) then
    local times = P .. 'times:' .. pool
    local time = math.max(number(times, tenant), number(times, ''))
    index_waiting(pool, tenant, string.format('%.17g', time), tonumber(ARGV[20]))
  end
end
changed(id)
return 1
`;

/** ARGV: id, slice, succeeded, errored, cancelled, expired, pairs, now. */
export const COMMIT = `${COMMON}
local id, slice = ARGV[1], ARGV[2]
local job = P .. 'job:' .. id
if redis.call('EXISTS', job) == 0 then return 'unknown' end
if redis.call('HEXISTS', job, 'sealed') == 1 then return 'closed' end
local pool, tenant = text(job, 'pool'), text(job, 'tenant')
land(pool, tenant, id .. ' ' .. slice, id)
forget_flow_if_idle(pool, tenant)
if redis.call('SETBIT', P .. 'done:' .. id, slice, 1) == 1 then return 'repeated' end
for position, field in ipairs({ 'succeeded', 'errored', 'cancelled', 'expired', 'pairs_done' }) do
  redis.call('HINCRBY', job, field, ARGV[position + 2])
end
redis.call('HINCRBY', job, 'done', 1)
changed(id)
if not is_finishable(job) then return 'counted' end
redis.call('ZADD', P .. 'ending', ARGV[8], id)
return 'last'
`;

/** ARGV: id, reason, now, key that marks the cancelling, its TTL in ms, channel that tells the workers. */
export const CLOSE = `${COMMON}
local id = ARGV[1]
local job = P .. 'job:' .. id
if redis.call('EXISTS', job) == 0 then return 'unknown' end
if redis.call('HSETNX', job, 'closing', ARGV[2]) == 1 then
  leave_queue(text(job, 'pool'), text(job, 'tenant'), id)
  forget_flow_if_idle(text(job, 'pool'), text(job, 'tenant'))
  redis.call('ZREM', P .. 'expiry', id)
  redis.call('ZADD', P .. 'ending', ARGV[3], id)
  redis.call('SET', ARGV[4], '1', 'PX', ARGV[5])
  redis.call('PUBLISH', ARGV[6], id)
  changed(id)
end
return is_finishable(job) and 'last' or 'closing'
`;

/** ARGV: id. What is in flight no longer counts, and makes room. */
export const SEAL = `${COMMON}
local id = ARGV[1]
local job = P .. 'job:' .. id
if redis.call('EXISTS', job) == 0 then return 0 end
redis.call('HSET', job, 'sealed', 1)
local pool, tenant = text(job, 'pool'), text(job, 'tenant')
clear(id, pool, tenant)
redis.call('ZREM', P .. 'expiry', id)
changed(id)
return 1
`;

/** ARGV: id. A job that was not sealed is not forgotten half: what it holds of the window would be held for ever. */
export const FORGET = `${COMMON}
local id = ARGV[1]
local pool, tenant = text(P .. 'job:' .. id, 'pool'), text(P .. 'job:' .. id, 'tenant')
if pool and tenant then clear(id, pool, tenant) end
redis.call('DEL', P .. 'job:' .. id, P .. 'done:' .. id)
redis.call('ZREM', P .. 'ending', id)
redis.call('ZREM', P .. 'expiry', id)
redis.call('PUBLISH', KEYS[1] .. ':events', id)
`;

/** ARGV: id. Returns slice, express (0 or 1) of each that is in flight. */
export const FLIGHTS = `${COMMON}
local id, found = ARGV[1], {}
local job = P .. 'job:' .. id
if number(job, 'flying') <= 0 then return found end
for _, flight in ipairs(redis.call('ZRANGE', P .. 'flying:' .. text(job, 'pool'), 0, -1)) do
  if string.sub(flight, 1, #id + 1) == id .. ' ' then
    local slice = string.sub(flight, #id + 2)
    found[#found + 1] = slice
    found[#found + 1] = redis.call('HEXISTS', job, 'x ' .. slice)
  end
end
return found
`;

/** ARGV: id, slice, now. A slice of a job that goes on is left as it is: nobody would hand it out again. */
export const DROP = `${COMMON}
local id = ARGV[1]
local job = P .. 'job:' .. id
if redis.call('EXISTS', job) == 0 then return 'unknown' end
if redis.call('HEXISTS', job, 'closing') == 0 then return 'open' end
if redis.call('HEXISTS', job, 'sealed') == 1 then return 'closed' end
land(text(job, 'pool'), text(job, 'tenant'), id .. ' ' .. ARGV[2], id)
forget_flow_if_idle(text(job, 'pool'), text(job, 'tenant'))
if not is_finishable(job) then return 'counted' end
redis.call('ZADD', P .. 'ending', ARGV[3], id)
return 'last'
`;

/**
 * ARGV: pool, before, now, slices of a new flow. Returns id, slice, tenant, express (0 or 1) of each.
 *
 * During a rollout a process of another release changes the tenants without the indexes of them. Who is missing there is not served, so it comes to be among the
 * first, and these are put in again. A flight whose job is lost tells no tenant: what each has in flight is counted anew.
 */
export const OVERDUE = `${COMMON}
local function count_flights(pool, new_flow)
  local flights, counts = P .. 'flights:' .. pool, {}
  for _, flight in ipairs(redis.call('ZRANGE', P .. 'flying:' .. pool, 0, -1)) do
    local tenant = text(P .. 'job:' .. string.match(flight, '^(%S+) '), 'tenant')
    if tenant then counts[tenant] = (counts[tenant] or 0) + 1 end
  end
  for _, tenant in ipairs(redis.call('HKEYS', flights)) do
    if counts[tenant] then
      redis.call('HSET', flights, tenant, counts[tenant])
    else
      redis.call('HDEL', flights, tenant)
      local time = redis.call('ZSCORE', P .. 'tenants:' .. pool, tenant)
      if time then index_waiting(pool, tenant, time, new_flow) else forget_flow_if_idle(pool, tenant) end
    end
  end
end

for _, tenant in ipairs(redis.call('ZRANGE', P .. 'tenants:' .. ARGV[1], 0, 63)) do
  index_waiting(ARGV[1], tenant, redis.call('ZSCORE', P .. 'tenants:' .. ARGV[1], tenant), tonumber(ARGV[4]))
end
local flying, found, is_lost = P .. 'flying:' .. ARGV[1], {}, false
for _, flight in ipairs(redis.call('ZRANGEBYSCORE', flying, '-inf', ARGV[2])) do
  local id, slice = string.match(flight, '^(%S+) (%d+)$')
  local tenant = text(P .. 'job:' .. id, 'tenant')
  if tenant then
    redis.call('ZADD', flying, ARGV[3], flight)
    local express = redis.call('HEXISTS', P .. 'job:' .. id, 'x ' .. slice)
    for _, part in ipairs({ id, slice, tenant, express }) do found[#found + 1] = part end
  else
    redis.call('ZREM', flying, flight)
    is_lost = true
  end
end
if is_lost then count_flights(ARGV[1], tonumber(ARGV[4])) end
return found
`;

/** ARGV: now, closed before. Returns the expired, an empty text, the finishable. */
export const DUE = `${COMMON}
local found = redis.call('ZRANGEBYSCORE', P .. 'expiry', '-inf', ARGV[1])
found[#found + 1] = ''
for _, id in ipairs(redis.call('ZRANGE', P .. 'ending', 0, -1)) do
  local job = P .. 'job:' .. id
  if redis.call('EXISTS', job) == 0 then
    redis.call('ZREM', P .. 'ending', id)
  elseif is_finishable(job) or tonumber(redis.call('ZSCORE', P .. 'ending', id)) <= tonumber(ARGV[2]) then
    found[#found + 1] = id
  end
end
return found
`;

/**
 * ARGV: pool, now, ms in which a job should be done, least ms that one is given, tokens of a pair where a job does not say its tokens. Returns tokens and slices that
 * open jobs have left, and the tokens a second (as text) by which each is done when it should be, or when it expires if that is sooner.
 */
export const BACKLOG = `${COMMON}
local now, target, least = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local tokens, slices, rate = 0, 0, 0
for from = 0, redis.call('ZCARD', P .. 'expiry') - 1, 256 do
  for _, id in ipairs(redis.call('ZRANGE', P .. 'expiry', from, from + 255)) do
    local job = redis.call('HMGET', P .. 'job:' .. id, 'pool', 'slices', 'done', 'tokens', 'pairs', 'created', 'expires')
    local left = job[1] == ARGV[1] and tonumber(job[2]) - tonumber(job[3]) or 0
    if left > 0 then
      local all = tonumber(job[4]) or tonumber(job[5]) * ARGV[5]
      local due = math.min(tonumber(job[6]) + target, tonumber(job[7]))
      tokens, slices = tokens + all * left / job[2], slices + left
      rate = rate + all * left / job[2] * 1000 / math.max(least, due - now)
    end
  end
end
return { string.format('%.0f', tokens), slices, string.format('%.3f', rate) }
`;
