#!/usr/bin/env bash
# The versions that docs/installation.md lists, each in a fresh environment: the tests of the layers and of the zoo.
#     tests/matrix.sh            all rows
#     tests/matrix.sh jax        the rows whose name has this in it
# Further arguments go to pytest, the files to test above all.
set -euo pipefail
export XLA_FLAGS=--xla_backend_optimization_level=0  # quick code; old versions end at the other flags of the tests
cd "$(dirname "$0")/.."
rows=(
    "tensorflow-light-oldest|tensorflow|light|keras==3.12.* tensorflow==2.19.*"
    "tensorflow-oldest|tensorflow|.[test]|keras==3.12.* tensorflow==2.20.*"
    "tensorflow-newest|tensorflow|.[test]|keras==3.15.* tensorflow==2.21.*"
    "jax-light|jax|light|keras==3.15.* jax==0.10.*"
    "jax-light-oldest|jax|light|keras==3.12.* jax==0.5.*"
    "torch-light|torch|light|keras==3.15.* torch==2.13.*"
    "torch-light-oldest|torch|light|keras==3.12.* torch==2.6.*"
)
tools=(pytest pytest-xdist hypothesis "setuptools>=77")
wanted=${1:-}
tests=("${@:2}")
[ ${#tests[@]} -gt 0 ] || tests=(tests/keras_equivariant/layers tests/keras_equivariant/test_conventions.py tests/zoo)
failed=()
for row in "${rows[@]}"; do
    IFS="|" read -r name backend what versions <<<"$row"
    [[ $name == *"$wanted"* ]] || continue
    echo "== $name: $versions"
    environment=$(mktemp -d)
    python3 -m venv "$environment"
    python=$environment/bin/python
    if [ "$what" = light ]; then
        # shellcheck disable=SC2086
        "$python" -m pip install --quiet -r requirements-light.txt "${tools[@]}" $versions
        "$python" -m pip install --quiet --no-deps --no-build-isolation -e .
    else
        # shellcheck disable=SC2086
        "$python" -m pip install --quiet -e "$what" $versions
    fi
    KERAS_BACKEND=$backend "$python" -m pytest -q -n 2 --dist loadfile "${tests[@]}" || failed+=("$name")
    rm -rf "$environment"
done
echo "failed: ${failed[*]:-none}"
[ ${#failed[@]} -eq 0 ]
