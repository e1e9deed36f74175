# The built module on CPUs that this host is not: on Nehalem only scalar may run, so an instruction
# that leaked out of a wider file stops the test; LANE_ALL adds Haswell, where AVX2 must run.
set -u
command -v qemu-x86_64 >/dev/null || { echo "qemu-x86_64 is missing: 'apt-get install qemu-user'"; exit 77; }
[ "$(uname -m)" = x86_64 ] || { echo "this host is no x86-64: nothing to run there"; exit 77; }
tests="tests/kernels/test_blocks_recorded.py tests/kernels/test_lut_formats.py"

on() { qemu-x86_64 -cpu "$1" .venv/bin/python "${@:2}"; }
check() {
  model=$1 wanted=$2
  found=$(on "$model" -c "import bitnet_perf._native as n; print(*(r[0] for r in n.isas() if r[4]))") ||
    { echo "$model: the module does not load"; exit 1; }
  [ "$found" = "$wanted" ] || { echo "$model: runs $found, accepted is $wanted"; exit 1; }
  echo "$model: $found"
  # shellcheck disable=SC2086 # a list of files
  on "$model" -m pytest -q -x -p no:cacheprovider $tests || { echo "$model: failed"; exit 1; }
}

check Nehalem scalar
[ -z "${LANE_ALL:-}" ] || check Haswell "scalar x86_avx2"
