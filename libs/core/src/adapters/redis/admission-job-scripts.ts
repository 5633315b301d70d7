/**
 * What the batch jobs of one tenant take. KEYS: [1] hash with the sums `rows` and `bytes`, "r {id}" and "b {id}" of each job or upload, and `ready` when it
 * holds all that the blob store has; [2] zset of uploads that have not become a job, by when they are given up.
 */
const COMMON = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function number(field) return tonumber(redis.call('HGET', KEYS[1], field) or '0') end

local function set(kind, sum, id, value)
  local field = kind .. ' ' .. id
  redis.call('HINCRBY', KEYS[1], sum, string.format('%.0f', value - number(field)))
  if value > 0 then redis.call('HSET', KEYS[1], field, string.format('%.0f', value)) else redis.call('HDEL', KEYS[1], field) end
end

local function put(id, rows, bytes)
  set('r', 'rows', id, rows)
  set('b', 'bytes', id, bytes)
end

local function forget(id)
  put(id, 0, 0)
  redis.call('ZREM', KEYS[2], id)
end
`;

/**
 * ARGV: id, rows, bytes, rows and bytes of the tenant at most, ms until the upload is given up.
 * Returns 'held', 'rows', 'bytes' or 'unknown'; rows and bytes that are missing, or that are still free.
 */
export const HOLD_JOB = `${COMMON}
if redis.call('HEXISTS', KEYS[1], 'ready') == 0 then return { 'unknown', '0', '0' } end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now)) do forget(id) end
local id, rows, bytes = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local free_rows = tonumber(ARGV[4]) - number('rows') + number('r ' .. id) - rows
local free_bytes = tonumber(ARGV[5]) - number('bytes') + number('b ' .. id) - bytes
local function told(verdict) return { verdict, string.format('%.0f', math.abs(free_rows)), string.format('%.0f', math.abs(free_bytes)) } end
if free_rows < 0 then return told('rows') end
if free_bytes < 0 then return told('bytes') end
put(id, rows, bytes)
redis.call('ZADD', KEYS[2], now + tonumber(ARGV[6]), id)
return told('held')
`;

/** ARGV: id of the upload, id of the job, its rows, its bytes. The job takes the place of its upload. */
export const KEEP_JOB = `${COMMON}
forget(ARGV[1])
put(ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]))
`;

/** ARGV: id, 'rows' or 'all'. */
export const FREE_JOB = `${COMMON}
if ARGV[2] == 'rows' then set('r', 'rows', ARGV[1], 0) else forget(ARGV[1]) end
`;

/**
 * ARGV: 1 if after this call all is there, number of jobs whose rows are to go, number of those that are to go altogether, their ids, then id, rows and bytes
 * of each that is to be there. The sums are counted anew.
 */
export const SETTLE_JOBS = `${COMMON}
local ended, gone = 3 + tonumber(ARGV[2]), 3 + tonumber(ARGV[2]) + tonumber(ARGV[3])
for i = 4, ended do set('r', 'rows', ARGV[i], 0) end
for i = 1 + ended, gone do forget(ARGV[i]) end
for i = 1 + gone, #ARGV, 3 do put(ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])) end
local rows, bytes, all = 0, 0, redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local kind = string.sub(all[i], 1, 2)
  if kind == 'r ' then rows = rows + tonumber(all[i + 1]) elseif kind == 'b ' then bytes = bytes + tonumber(all[i + 1]) end
end
redis.call('HSET', KEYS[1], 'rows', string.format('%.0f', rows), 'bytes', string.format('%.0f', bytes))
if ARGV[1] == '1' then redis.call('HSET', KEYS[1], 'ready', now) end
`;
