# The native runner under ASan and UBSan, with LANE_ALL under TSan too.
set -u
PATH=$PWD/.venv/bin:$PATH
for tool in cmake ninja; do
  command -v "$tool" >/dev/null || { echo "$tool is missing: 'make venv'"; exit 77; }
done
sets="address,undefined"
[ -z "${LANE_ALL:-}" ] || sets="address,undefined thread"
probe=$(mktemp -d)
trap 'rm -rf "$probe"' EXIT
echo 'int main() { return 0; }' >"$probe/empty.cpp"
for set in $sets; do
  ${CXX:-c++} "-fsanitize=$set" "$probe/empty.cpp" -o "$probe/empty" 2>/dev/null && "$probe/empty" ||
    { echo "${CXX:-c++} cannot build and run with -fsanitize=$set: 'apt-get install g++' (with libasan, libubsan, libtsan)"; exit 77; }
done
fail() {
  echo "$1"
  exit 1
}

export ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1
for set in $sets; do
  build=build/sanitize-${set%%,*}
  cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=None -DCMAKE_CXX_FLAGS=-O1 -DBP_RUNNER=ON \
    -DBP_SANITIZE="$set" >"$build.log" 2>&1 && ninja -C "$build" >>"$build.log" 2>&1 ||
    { tail -n 30 "$build.log"; fail "the build with -fsanitize=$set failed"; }
  if [ "$set" != thread ]; then
    "$build/bp_runner" --over-read >"$build/over-read.log" 2>&1 && fail "an over-read went unseen"
    grep -q heap-buffer-overflow "$build/over-read.log" || fail "an over-read was not named"
  fi
  "$build/bp_runner" >"$build/run.log" 2>&1 || { tail -n 60 "$build/run.log"; fail "$set: failed"; }
  echo "$set:"
  tail -n 1 "$build/run.log"
done
