#!/usr/bin/env bash
# device.py on a machine that has JAX and NumPy but neither Keras nor a network:
#
#   benchmarks/device.sh WHEELS DATA --output RESULTS.json [options of device.py]
#
# WHEELS is a folder of wheels (`pip download --no-deps keras optree namex`, for that machine's Python) or "-" where Keras
# is installed. DATA is a folder with cifar10.npz, or with the parts of it that `device.py --pack` wrote, or "-". The
# parts may come one by one: DATA is kept, and once all are there, they are joined.
set -euo pipefail
cd "$(dirname "$0")/.."
wheels=$1 data=$2
shift 2
site=$(mktemp -d)
if [ "$wheels" != - ]; then
    python3 -m pip install --quiet --no-index --no-deps --no-compile --target "$site" "$wheels"/*.whl
fi
python3 docs/package_tree.py
export PYTHONPATH="$PWD/.package:$site" PYTHONUNBUFFERED=1
if [ "$data" != - ]; then
    if [ ! -f "$data/cifar10.npz" ]; then
        python3 benchmarks/device.py --join "$data"
    fi
    set -- --data-dir "$data" "$@"
fi
exec python3 benchmarks/device.py "$@"
