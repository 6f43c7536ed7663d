#!/bin/sh
# A user and a vhost of its own in the RabbitMQ of this machine: as root, once.
set -eu
rabbitmqctl -q add_vhost boxoffice 2>/dev/null || true
rabbitmqctl -q add_user boxoffice boxoffice 2>/dev/null || true
rabbitmqctl -q set_user_tags boxoffice management
rabbitmqctl -q set_permissions -p boxoffice boxoffice '.*' '.*' '.*'
