# The native runner under ASan and UBSan, with LANE_ALL under TSan too.
set -u
. .ci/lanes/sanitized.sh
sets="address,undefined"
[ -z "${LANE_ALL:-}" ] || sets="address,undefined thread"
fail() {
  echo "$1"
  exit 1
}

for set in $sets; do
  sanitized_build "$set" || exit
  if [ "$set" != thread ]; then
    "$build/bp_runner" --over-read >"$build/over-read.log" 2>&1 && fail "an over-read went unseen"
    grep -q heap-buffer-overflow "$build/over-read.log" || fail "an over-read was not named"
  fi
  "$build/bp_runner" >"$build/run.log" 2>&1 || { tail -n 60 "$build/run.log"; fail "$set: failed"; }
  echo "$set ($compiler):"
  tail -n 1 "$build/run.log"
done

# Kernels of CUDA on the emulator: it under both, their arithmetic under UBSan.
[ -n "${LANE_ALL:-}" ] || exit 0
runtime() { g++ -print-file-name="$1"; }
export EMULATED_CXX=g++ CXX=$PWD/.ci/lanes/emulated_cxx.sh PYTHONMALLOC=malloc
tests=$(printf 'tests/cuda/test_%s.py ' instructions traffic w2a8 matmul codecs block_codecs layer attention convert)
# shellcheck disable=SC2086 # a list of files
LD_PRELOAD="$(runtime libasan.so) $(runtime libubsan.so)" \
  .venv/bin/python -m pytest -q -s -x -p no:cacheprovider $tests >build/emulated.log 2>&1 ||
  { tail -n 60 build/emulated.log; fail "kernels on the emulator: failed"; }
tail -n 1 build/emulated.log
