# Sourced by the lanes 'sanitizers' and 'fuzz': one build of every kernel under sanitizers serves
# both. With Clang and its runtime it is instrumented for libFuzzer too.
PATH=$PWD/.venv/bin:$PATH
export ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
drivers="products blocks gguf"

# sanitized_compiler SET...: the compiler for -fsanitize=SET, in $compiler, and all it is given, in
# $sanitize; 77 with the reason where there is none.
sanitized_compiler() {
  local set=$1 probe
  probe=$(mktemp -d)
  echo 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }' >"$probe/driver.cpp"
  echo 'int main() { return 0; }' >"$probe/main.cpp"
  if [ "$set" != thread ] && clang++ "-fsanitize=fuzzer,$set" "$probe/driver.cpp" -o "$probe/empty" 2>/dev/null; then
    compiler=clang++ sanitize=$set,fuzzer-no-link
  elif ${CXX:-c++} "-fsanitize=$set" "$probe/main.cpp" -o "$probe/empty" 2>/dev/null && "$probe/empty"; then
    compiler=${CXX:-c++} sanitize=$set
  else
    echo "${CXX:-c++} cannot build and run with -fsanitize=$set: 'apt-get install g++' (with libasan, libubsan, libtsan)"
    return 77
  fi
  rm -rf "$probe"
}

# sanitized_build SET: the runner and the drivers with it, in $build.
sanitized_build() {
  local tool
  for tool in cmake ninja; do
    command -v "$tool" >/dev/null || { echo "$tool is missing: 'make venv'"; return 77; }
  done
  sanitized_compiler "$1" || return
  build=build/sanitize-${1%%,*}
  local fuzz=${drivers// /;}
  [ "$1" != thread ] || fuzz=
  CXX=$compiler cmake --fresh -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=None -DCMAKE_CXX_FLAGS=-O1 \
    -DBP_RUNNER=ON -DBP_SANITIZE="$sanitize" -DBP_FUZZ="$fuzz" >"$build.log" 2>&1 &&
    ninja -C "$build" >>"$build.log" 2>&1 ||
    { tail -n 30 "$build.log"; echo "the build with -fsanitize=$sanitize failed"; return 1; }
}
