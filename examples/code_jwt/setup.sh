#!/bin/sh
# A database and a user of its own in the MariaDB or MySQL of this machine: run it as root, once.
set -eu
name=${1:-seckill}
client=$(command -v mariadb || command -v mysql) || { echo "needs MariaDB: apt install mariadb-server" >&2; exit 1; }
"$client" --user=root <<SQL
CREATE DATABASE IF NOT EXISTS \`$name\`;
CREATE USER IF NOT EXISTS '$name'@'%' IDENTIFIED BY 'seckill', '$name'@'localhost' IDENTIFIED BY 'seckill';
CREATE TABLE IF NOT EXISTS \`$name\`.test_sale (marked INT) COMMENT 'a sale may wipe this database';
GRANT ALL ON \`$name\`.* TO '$name'@'%', '$name'@'localhost';
SQL
