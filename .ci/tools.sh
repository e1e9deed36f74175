#!/bin/sh
# Says in one line which of the three tools (Python 3.11+, a C++20 compiler, make) is missing and how
# to get it.   sh .ci/tools.sh PYTHON
python=$1
cxx=${CXX:-c++}

die() {
  echo "bitnet_perf: $1" >&2
  exit 1
}

command -v "$python" >/dev/null ||
  die "Python 3.11+ is missing ('$python'): 'apt-get install python3 python3-venv python3-dev', or name one: 'make PYTHON=python3.12'"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  die "'$python' is older than Python 3.11: install a newer one and name it, for example 'make PYTHON=python3.12'"
"$python" -c 'import venv, ensurepip' 2>/dev/null ||
  die "'$python' cannot create a virtual environment (venv, ensurepip): 'apt-get install python3-venv'"
"$python" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' ||
  die "'$python' has no header Python.h: 'apt-get install python3-dev' (the package of the same Python version)"
# CXX may hold arguments ('ccache g++'), so it is split into words.
# shellcheck disable=SC2086
set -- $cxx
command -v "$1" >/dev/null ||
  die "a C++20 compiler is missing ('$1'): 'apt-get install g++', or name one: 'make CXX=g++-13'"
printf '#include <concepts>\n#include <span>\nstd::integral auto one = 1;\nstd::span<int> none;\n' |
  "$@" -std=c++20 -x c++ -fsyntax-only - 2>/dev/null ||
  die "'$cxx' does not compile C++20: install GCC 11+ or Clang 14+ ('apt-get install g++'), or name one: 'make CXX=g++-13'"
