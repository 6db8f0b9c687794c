#!/usr/bin/env bash
# Migrates on a host that reaches the database, then restarts the service there. The exit code of the migrator is that of ssh.
#
#   docs/examples/ssh/deploy.sh HOST       DATABASE_URL stands in the host's /etc/booking/environment
set -euo pipefail

host=$1
ssh "$host" 'set -a && . /etc/booking/environment && migrator up --source /srv/booking/migrations --wait-for-db 2m --timeout 10m'
ssh "$host" sudo systemctl restart booking
