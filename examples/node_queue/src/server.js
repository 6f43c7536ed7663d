import { randomUUID } from "node:crypto";
import express from "express";
import { port } from "./config.js";
import { release, reserve } from "./stock.js";
import { orders, pool } from "./stores.js";

const app = express();
app.use(express.json());

app.get("/health", (req, res) => res.json({ ok: true }));

app.post("/api/orders", async (req, res) => {
  const user = req.get("X-User-Id");
  if (!user) return res.status(401).json({ error: "who are you?" });
  const reserved = await reserve(user);
  if (reserved === "already") return res.status(409).json({ error: "one record each" });
  if (reserved === "sold out") return res.status(410).json({ error: "sold out" });

  const orderId = randomUUID();
  try {
    await orders.add("place-order", { orderId, user }, { jobId: orderId });
  } catch (error) {
    await release(user);
    throw error;
  }
  res.status(202).location(`/api/orders/${orderId}`).json({ orderId, state: "queued" });
});

app.get("/api/orders/:id", async (req, res) => {
  const { rows } = await pool.query("SELECT created_at FROM orders WHERE id = $1", [req.params.id]);
  if (rows.length) return res.json({ state: "confirmed", createdAt: rows[0].created_at });
  const job = await orders.getJob(req.params.id);
  if (!job) return res.status(404).json({ error: "no such order" });
  res.json({ state: (await job.isFailed()) ? "rejected" : "queued" });
});

const server = app.listen(port, "127.0.0.1", 4096, () => console.log(`listening on ${port}`));
server.keepAliveTimeout = 75_000; // longer than the load balancer keeps its connections
