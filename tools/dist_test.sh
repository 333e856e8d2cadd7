#!/usr/bin/env bash
# Test on several GPUs:  tools/dist_test.sh CONFIG CHECKPOINT GPUS [options of test.py]
# On several machines set NNODES, NODE_RANK and MASTER_ADDR on each; PORT where 29500 is taken.
set -eu
case "${3-}" in
'' | 0* | *[!0-9]*)
    echo "usage: $0 CONFIG CHECKPOINT GPUS [options of test.py]" >&2
    exit 2
    ;;
esac
config=$1 checkpoint=$2 gpus=$3
shift 3
exec "${PYTHON:-python}" "$(dirname "$0")/launch.py" \
    --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" --nproc_per_node="$gpus" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" \
    "$(dirname "$0")/test.py" "$config" "$checkpoint" --launcher pytorch "$@"
