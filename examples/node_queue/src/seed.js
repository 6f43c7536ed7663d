// node src/seed.js 100: a hundred records, and no order.
import { open } from "./stock.js";
import { orders, pool, redis } from "./stores.js";

await pool.query(`
  DROP TABLE IF EXISTS orders;
  CREATE TABLE orders (id uuid PRIMARY KEY, user_id text NOT NULL, created_at timestamptz NOT NULL DEFAULT now());
`);
await orders.obliterate({ force: true });
await open(Number(process.argv[2] ?? 100));
await orders.close();
await pool.end();
await redis.quit();
