#!/bin/sh
# A database of its own, and who may use it, in the MariaDB or MySQL of this machine: as root, once.
set -eu
mysql --user="${MYSQL_ROOT:-root}" <<'SQL'
CREATE DATABASE IF NOT EXISTS seckill;
CREATE USER IF NOT EXISTS 'seckill'@'%' IDENTIFIED BY 'seckill';
CREATE USER IF NOT EXISTS 'seckill'@'localhost' IDENTIFIED BY 'seckill';
GRANT ALL ON seckill.* TO 'seckill'@'%', 'seckill'@'localhost';
SQL
