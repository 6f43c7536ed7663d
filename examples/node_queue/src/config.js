export const port = Number(process.env.PORT ?? 3000);
export const databaseUrl = process.env.DATABASE_URL ?? "postgresql://vinyl@127.0.0.1:5432/vinyl";
export const redisUrl = process.env.REDIS_URL ?? "redis://127.0.0.1:6379";
export const mistake = process.env.MISTAKE ?? "";
