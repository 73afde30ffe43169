"""Face comparison from AWS with Alibaba Cloud's FaceCompare: within its quota, one verdict per pair."""
