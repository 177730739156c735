#!/bin/sh
# Installs what the tests use beside npm packages, where it is missing: reference readers (trace-cmd, perf, protoc, zstd, lz4) to check
# against, shellcheck for the recording scripts, chromium for the report and the pages, nbconvert for the Jupyter edition. Debian and its derivatives.
set -eu

missing=''
need() { # need COMMAND PACKAGE...
  command -v "$1" >/dev/null 2>&1 && return
  shift
  missing="$missing $*"
}
need trace-cmd trace-cmd
need perf linux-perf
need protoc protobuf-compiler
need zstd zstd
need lz4 lz4
need shellcheck shellcheck
need chromium chromium
need jupyter jupyter-core
/usr/bin/python3 -c 'import nbconvert, nbclient, jupyter_client' 2>/dev/null ||
  missing="$missing jupyter-nbconvert python3-nbclient jupyter-client jupyter-core"
[ -z "$missing" ] && exit 0

if ! command -v apt-get >/dev/null 2>&1; then
  echo "tests need these programs, and apt-get is not here to install them:$missing" >&2
  exit 1
fi
as_root=''
[ "$(id -u)" -eq 0 ] || as_root=sudo
$as_root apt-get update
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y --no-install-recommends $missing
