#!/usr/bin/env bash
# Compares two photo files: ./compare.sh selfie.jpg passport.png order-4711 [REGION]
# Without a region, the stack uses its default region.
set -euo pipefail

request() {
  local response
  response=$(curl --silent --show-error --fail-with-body --aws-sigv4 "aws:amz:$AWS_REGION:execute-api" \
    --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" -H "x-amz-security-token: ${AWS_SESSION_TOKEN:-}" "$@") || {
    printf '%s\n' "$response" >&2 # The problem document has the reason.
    return 1
  }
  printf '%s\n' "$response"
}

comparison=$(
  jq -n --rawfile source <(base64 <"$1" | tr -d '\n') --rawfile target <(base64 <"$2" | tr -d '\n') \
    --arg region "${4:-}" \
    '{source: {photo: $source}, target: {photo: $target}} + if $region == "" then {} else {region: $region} end' |
    request -H 'content-type: application/json' -H "idempotency-key: $3" --data-binary @- \
      "$API_URL/v1/comparisons"
)
# 202: the comparison continues.
while [ "$(jq -r .state <<<"$comparison")" = registered ]; do
  sleep 2
  comparison=$(request "$API_URL/v1/comparisons/$(jq -r .id <<<"$comparison")")
done
jq -r .result.verdict <<<"$comparison"
