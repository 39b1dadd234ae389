#!/bin/sh
# Install this checkout into a virtual environment: sh install.sh REQUIREMENT, for example '.' or '.[dev]'.
# Machines without an NVIDIA GPU get the CPU build of torch, which spares gigabytes of CUDA packages.
#   PYTHON  the interpreter to build on (3.11 or newer), default python3
#   VENV    the environment's folder, default .venv
#   TORCH   the version of the CPU build
set -eu
PYTHON=${PYTHON:-python3}
VENV=${VENV:-.venv}
TORCH=${TORCH:-2.13.0}
requirement=${1:-.}

"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "pointmap needs Python 3.11 or newer; '$PYTHON' is $("$PYTHON" --version 2>&1). Name another one: make PYTHON=python3.12 ..." >&2
    exit 2
}
if [ ! -x "$VENV/bin/python" ]; then
    "$PYTHON" -m venv "$VENV" || {
        echo "Could not create $VENV. On Debian and Ubuntu, install the package python3-venv first." >&2
        exit 2
    }
fi
# Compiling every module of every package takes longer than the rest; Python compiles what it imports.
pip="$VENV/bin/python -m pip --disable-pip-version-check install --quiet --quiet --no-compile"

if [ "$(uname -s)" = Linux ] && ! command -v nvidia-smi >/dev/null 2>&1 && [ ! -d "$VENV"/lib/python3*/site-packages/torch ]; then
    echo "No NVIDIA GPU found: installing the CPU build of torch $TORCH"
    # First what pip itself is offered, then uv, which knows where the CPU builds are, then whatever there is.
    $pip "torch==$TORCH+cpu" 2>/dev/null ||
        { $pip uv && "$VENV/bin/uv" pip install --quiet --python "$VENV/bin/python" --torch-backend=cpu "torch==$TORCH"; } ||
        $pip torch
fi
echo "Installing pointmap ($requirement)"
$pip --editable "$requirement"
