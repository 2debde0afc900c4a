#!/usr/bin/env bash
# A worker on a spot instance: it takes jobs until EC2 announces that it will take the instance back.
set -euo pipefail
imds=${AWS_EC2_METADATA_SERVICE_ENDPOINT:-http://169.254.169.254}/latest  # as SDKs do

token() { curl -sf --max-time 2 -X PUT -H "X-aws-ec2-metadata-token-ttl-seconds: 60" "$imds/api/token"; }

is_interrupted() {
  curl -sf --max-time 2 -o /dev/null -H "X-aws-ec2-metadata-token: $(token)" "$imds/meta-data/spot/instance-action"
}

until is_interrupted; do
  echo "working"
  sleep 0.2
done
echo "the instance is interrupted: no more jobs"
