import os

MYSQL_HOST = os.environ.get("MYSQL_HOST", "127.0.0.1")
MYSQL_PORT = int(os.environ.get("MYSQL_PORT", "3306"))
MYSQL_USER = os.environ.get("MYSQL_USER", "seckill")
MYSQL_PASSWORD = os.environ.get("MYSQL_PASSWORD", "seckill")
MYSQL_DATABASE = os.environ.get("MYSQL_DATABASE", "seckill")
REDIS_URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")
JWT_SECRET = os.environ.get("JWT_SECRET", "change-me-in-production-or-be-sorry")
JWT_SECONDS = 3600
PATH_SECONDS = 60
MISTAKE = os.environ.get("MISTAKE", "")
