#!/usr/bin/env bash
# Compares two photo files: ./compare.sh selfie.jpg passport.png order-4711
set -euo pipefail

request() {
  curl --silent --show-error --fail-with-body --aws-sigv4 "aws:amz:$AWS_REGION:execute-api" \
    --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" -H "x-amz-security-token: ${AWS_SESSION_TOKEN:-}" "$@"
}

comparison=$(
  jq -n --rawfile source <(base64 -w0 "$1") --rawfile target <(base64 -w0 "$2") \
    '{region: "singapore", source: {photo: $source}, target: {photo: $target}}' |
    request -H 'content-type: application/json' -H "idempotency-key: $3" --data-binary @- \
      "$API_URL/v1/comparisons"
)
# 202: the verdict comes later.
while [ "$(jq -r .state <<<"$comparison")" = registered ]; do
  sleep 2
  comparison=$(request "$API_URL/v1/comparisons/$(jq -r .id <<<"$comparison")")
done
jq -r .result.verdict <<<"$comparison"
