// What is left is a counter in Redis, and who has a record is a set beside it.
import { randomUUID } from "node:crypto";
import { mistake } from "./config.js";
import { pool, redis } from "./stores.js";

const LEFT = "vinyl:left";
const BUYERS = "vinyl:buyers";

// One script is one step: nobody comes between the look and the count.
redis.defineCommand("reserve", {
  numberOfKeys: 2,
  lua: `
    if redis.call('SISMEMBER', KEYS[2], ARGV[1]) == 1 then return 'already' end
    if tonumber(redis.call('GET', KEYS[1]) or '0') <= 0 then return 'sold out' end
    redis.call('DECR', KEYS[1])
    redis.call('SADD', KEYS[2], ARGV[1])
    return 'reserved'
  `,
});

export async function open(records) {
  await redis.del(BUYERS);
  await redis.set(LEFT, records);
}

export async function reserve(user) {
  if (mistake === "check_then_act") return checkThenAct(user);
  // Wrong on purpose: it counts on the page, where the button can be clicked only once, so that each click is somebody new.
  if (mistake === "trusts_the_button") return redis.reserve(LEFT, BUYERS, randomUUID());
  return redis.reserve(LEFT, BUYERS, user);
}

export async function release(user) {
  await redis.multi().incr(LEFT).srem(BUYERS, user).exec();
}

// Wrong on purpose: while the database is asked, others have seen the same number of records.
async function checkThenAct(user) {
  if (Number(await redis.get(LEFT)) <= 0) return "sold out";
  const { rowCount } = await pool.query("SELECT 1 FROM orders WHERE user_id = $1", [user]);
  if (rowCount) return "already";
  await redis.decr(LEFT);
  return "reserved";
}
