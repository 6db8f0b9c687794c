#!/usr/bin/env bash
# Migrates on a host that reaches the database, then restarts the service there. The exit code is the migrator's.
#
#   docs/examples/ssh/deploy.sh HOST       /etc/booking/environment on the host contains DATABASE_URL
set -euo pipefail

host=$1
ssh "$host" 'set -a && . /etc/booking/environment && migrator up --source /srv/booking/migrations --wait-for-db 2m --timeout 10m'
ssh "$host" sudo systemctl restart booking
