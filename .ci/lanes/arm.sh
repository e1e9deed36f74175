# Cross-built for 64-bit ARM and run under an emulator: every variant that such a build holds against
# the runner's oracles, bit for bit or within the bound of its family, and a seeded fault in each NEON
# one. Probes give no result to check.
set -u
for tool in aarch64-linux-gnu-g++ qemu-aarch64; do
  command -v "$tool" >/dev/null ||
    { echo "$tool is missing: 'apt-get install g++-aarch64-linux-gnu qemu-user'"; exit 77; }
done
PATH=$PWD/.venv/bin:$PATH
for tool in cmake ninja; do
  command -v "$tool" >/dev/null || { echo "$tool is missing: 'make venv'"; exit 77; }
done
build=build/arm
fail() {
  echo "$1"
  exit 1
}

cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DBP_RUNNER=ON \
  -DCMAKE_TOOLCHAIN_FILE="$PWD/cmake/toolchain-aarch64.cmake" >"$build.log" 2>&1 &&
  ninja -C "$build" >>"$build.log" 2>&1 || { tail -n 30 "$build.log"; fail "the build for aarch64 failed"; }

weak=$(find "$build/CMakeFiles/bp_core.dir/csrc/kernels" -mindepth 3 -name '*.o' \
  -exec aarch64-linux-gnu-nm -A --demangle {} + | grep -E ' [uvVwW] ')
[ -z "$weak" ] || fail "weak symbols in kernel objects:
$weak"

# cortex-a72: NEON alone; cortex-a76: dot products; max: everything the emulator has.
models="cortex-a72"
[ -z "${LANE_ALL:-}" ] || models="cortex-a72 cortex-a76 max"
for model in $models; do
  on_arm() { qemu-aarch64 -L /usr/aarch64-linux-gnu -cpu "$model" "$build/bp_runner" "$@"; }
  rows=$(on_arm --list) || fail "$model: the runner does not start"
  echo "$rows" | grep '/x86_' | grep -v ': needs x86_64, this build is for aarch64$' &&
    fail "$model: an x86 row that does not say so"
  echo "$rows" | grep '/arm_' | grep -v ': runs$' && fail "$model: a NEON row that does not run"
  neon=$(echo "$rows" | sed -n 's|/arm_neon: runs$|/arm_neon|p' | grep -v '^probe_')
  [ -n "$neon" ] || fail "$model: no NEON row"
  for row in $neon; do
    on_arm --seed-fault "$row" >"$build/fault.log" && fail "$model: a seeded fault in $row passed"
    grep -q "^FAILED $row:" "$build/fault.log" || fail "$model: a seeded fault in $row was not named"
  done
  on_arm >"$build/$model.log" || { grep -E 'FAILED|passed' "$build/$model.log"; fail "$model: wrong results"; }
  for row in $neon; do
    grep -q "^$row: [1-9][0-9]* passed, 0 failed$" "$build/$model.log" || fail "$model: $row was not checked"
  done
  echo "$model: $(grep -c '/arm_neon: [1-9][0-9]* passed' "$build/$model.log") NEON and" \
    "$(grep -c '/scalar: [1-9][0-9]* passed' "$build/$model.log") scalar variants"
  tail -n 1 "$build/$model.log"
done
