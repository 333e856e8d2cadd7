#!/usr/bin/env bash
# Train on several GPUs:  tools/dist_train.sh CONFIG GPUS [options of train.py]
# On several machines set NNODES, NODE_RANK and MASTER_ADDR on each; PORT where 29500 is taken.
set -eu
case "${2-}" in
'' | 0* | *[!0-9]*)
    echo "usage: $0 CONFIG GPUS [options of train.py]" >&2
    exit 2
    ;;
esac
config=$1 gpus=$2
shift 2
exec "${PYTHON:-python}" "$(dirname "$0")/launch.py" \
    --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" --nproc_per_node="$gpus" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" \
    "$(dirname "$0")/train.py" "$config" --launcher pytorch "$@"
