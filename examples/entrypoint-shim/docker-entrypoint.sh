#!/bin/sh
# Stands for the image's own entrypoint: it needs the region before it starts the application.
set -eu
curl -sf http://169.254.169.254/latest/meta-data/placement/region > /tmp/region
exec "$@"
