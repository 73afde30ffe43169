#!/usr/bin/env bash
# Uploads two photo files as a pair: ./upload.sh selfie.jpg passport.jpg customer-4711 [REGION]
# Without a region, the stack uses its default region.
# A browser or a phone can use these upload forms. They need no AWS credentials.
set -euo pipefail

request() {
  local response
  response=$(curl --silent --show-error --fail-with-body "$@") || {
    printf '%s\n' "$response" >&2 # The problem document has the reason.
    return 1
  }
  printf '%s\n' "$response"
}

forms=$(
  jq -n --arg pair_id "$3" --arg region "${4:-}" \
    '{pair_id: $pair_id} + if $region == "" then {} else {region: $region} end' |
    request --aws-sigv4 "aws:amz:$AWS_REGION:execute-api" \
      --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" -H "x-amz-security-token: ${AWS_SESSION_TOKEN:-}" \
      -H 'content-type: application/json' --data-binary @- "$API_URL/v1/uploads"
)

post_photo() {
  local form arguments
  form=$(jq ".$1" <<<"$forms")
  mapfile -t arguments < <(jq -r '.fields | to_entries[] | "--form-string", "\(.key)=\(.value)"' <<<"$form")
  request "${arguments[@]}" --form "file=@$2" "$(jq -r .url <<<"$form")" >/dev/null
}
post_photo source "$1"
post_photo target "$2"
echo "The verdict will be on the results queue."
