import { Worker } from "bullmq";
import { mistake } from "./config.js";
import { pool, redis } from "./stores.js";

async function placeOrder(job) {
  const { orderId, user } = job.data;
  if (mistake === "swallows") return swallow(orderId, user);
  await insert(orderId, user);
}

// Delivered again, an order stands already.
async function insert(orderId, user) {
  await pool.query("INSERT INTO orders (id, user_id) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING", [orderId, user]);
}

let seen = 0;

// Wrong on purpose: an error that is only logged ends the job, and nobody tries again. One in ten has it.
async function swallow(orderId, user) {
  try {
    if (++seen % 10 === 0) throw new Error("timeout exceeded when trying to connect");
    await insert(orderId, user);
  } catch (error) {
    console.error(`order ${orderId}: ${error.message}`);
  }
}

const worker = new Worker("orders", placeOrder, { connection: redis, concurrency: 5 });
worker.on("failed", (job, error) => console.error(`order ${job?.id}: ${error.message}`));
await worker.waitUntilReady();
console.log("worker is ready");

for (const signal of ["SIGTERM", "SIGINT"]) {
  process.on(signal, async () => {
    await worker.close();
    process.exit(0);
  });
}
