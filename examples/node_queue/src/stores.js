import { Queue } from "bullmq";
import { Redis } from "ioredis";
import pg from "pg";
import { databaseUrl, redisUrl } from "./config.js";

export const pool = new pg.Pool({ connectionString: databaseUrl, max: 10 });

// BullMQ wants to wait for ever for its commands.
export const redis = new Redis(redisUrl, { maxRetriesPerRequest: null });

export const orders = new Queue("orders", {
  connection: redis,
  defaultJobOptions: { attempts: 5, backoff: { type: "exponential", delay: 100 }, removeOnComplete: 1000 },
});
