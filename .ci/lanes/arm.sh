# Cross-built for 64-bit ARM and run under an emulator: every variant that such a build holds against
# the runner's oracles, bit for bit or within the bound of its family, and a seeded fault in each ARM
# one. Probes give no result to check. A variant runs on the least model that has its instructions,
# where one too many would stop it; LANE_ALL: on every model that has them.
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

# What each model has; variants of the others say what the CPU lacks.
has() {
  case $1 in
    cortex-a72) echo arm_neon ;;
    cortex-a76) echo arm_neon arm_neondot ;;
    max) echo arm_neon arm_neondot arm_i8mm ;;
  esac
}
models="cortex-a72 max"
[ -z "${LANE_ALL:-}" ] || models="cortex-a72 cortex-a76 max"
done_before=
for model in $models; do
  on_arm() { qemu-aarch64 -L /usr/aarch64-linux-gnu -cpu "$model" "$build/bp_runner" "$@"; }
  rows=$(on_arm --list) || fail "$model: the runner does not start"
  echo "$rows" | grep '/x86_' | grep -v ': needs x86_64, this build is for aarch64$' &&
    fail "$model: an x86 row that does not say so"
  echo "$rows" | awk -F '/|: ' -v has=" $(has "$model") " '$3 ~ /^arm_/ {
      runs = index(has, " " $3 " ") > 0
      if (runs ? $4 != "runs" : $4 !~ /^this CPU lacks /) { print; wrong = 1 }
    } END { exit wrong }' || fail "$model has $(has "$model"), and an ARM row says otherwise"
  isas=
  for isa in scalar $(has "$model"); do
    [[ " $done_before " == *" $isa "* ]] || isas+="$isa "
  done
  [ -n "${LANE_ALL:-}" ] || done_before+=" $isas"
  # shellcheck disable=SC2086 # a list of names
  on_arm $isas >"$build/$model.log" || { grep -E 'FAILED|passed' "$build/$model.log"; fail "$model: wrong results"; }
  counts=
  for isa in ${isas#scalar }; do
    here=$(echo "$rows" | sed -n "s|/$isa: runs\$|/$isa|p" | grep -v '^probe_')
    [ -n "$here" ] || fail "$model: no row of $isa"
    for row in $here; do
      grep -q "^$row: [1-9][0-9]* passed, 0 failed$" "$build/$model.log" || fail "$model: $row was not checked"
      on_arm --seed-fault "$row" >"$build/fault.log" && fail "$model: a seeded fault in $row passed"
      grep -q "^FAILED $row:" "$build/fault.log" || fail "$model: a seeded fault in $row was not named"
    done
    counts+="$(echo "$here" | wc -l) $isa, "
  done
  echo "$model: $counts$(grep -c '/scalar: [1-9][0-9]* passed' "$build/$model.log") scalar variants"
  tail -n 1 "$build/$model.log"
done
