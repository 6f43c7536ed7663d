#!/bin/sh
# A user and a vhost of its own in the RabbitMQ of this machine: run it as root, once.
set -eu
name=${1:-boxoffice}
command -v rabbitmqctl >/dev/null || { echo "needs RabbitMQ: apt install rabbitmq-server" >&2; exit 1; }
rabbitmqctl -q add_vhost "$name" 2>/dev/null || true
rabbitmqctl -q add_user "$name" boxoffice 2>/dev/null || true
rabbitmqctl -q set_user_tags "$name" management # it may look at its own queues
rabbitmqctl -q set_permissions -p "$name" "$name" '.*' '.*' '.*'
