# Every variant against scalar and the reader of GGUF headers on drawn inputs, under ASan and UBSan:
# by libFuzzer where Clang and its runtime are, else with inputs drawn at random; and the readers of
# raw, GGUF and results files (atheris), within bounded memory. LANE_ALL: ten times as long.
set -eu
PATH=$PWD/.venv/bin:$PATH
drivers="products blocks gguf"
seconds=${LANE_ALL:+120}
seconds=${seconds:-10} # each, a minute in all
build=build/fuzz
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
mkdir -p "$build"

sanitize=address,undefined
compiler=${CXX:-c++}
empty='extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }'
if echo "$empty" | clang++ -x c++ -fsanitize=fuzzer,$sanitize -o "$build/probe" - 2>/dev/null; then
  compiler=clang++
  sanitize=$sanitize,fuzzer-no-link
else
  echo "no libFuzzer here ('apt-get install clang libclang-rt-dev'): inputs are drawn at random"
  if ! echo 'int main() {}' | $compiler -x c++ -fsanitize=$sanitize -o "$build/probe" - 2>/dev/null; then
    echo "no sanitizer runtime for $compiler: 'apt-get install clang libclang-rt-dev'"
    exit 77
  fi
fi

cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE=-O1 \
  -DCMAKE_CXX_COMPILER="$compiler" -DBP_SANITIZE="$sanitize" -DBP_FUZZ="${drivers// /;}" >"$build/log"
cmake --build "$build" --parallel "$(nproc)" >>"$build/log" || { tail -n 40 "$build/log"; exit 1; }

passed=0
for driver in $drivers; do
  mkdir -p "$build/corpus/$driver"
  echo "$driver: $seconds s"
  [ "$compiler" = clang++ ] && set -- "$build/corpus/$driver" || set --
  [ $# -gt 0 ] && [ -d "tests/fuzz/corpus/$driver" ] && set -- "$@" "tests/fuzz/corpus/$driver"
  if ! "$build/fuzz_$driver" -max_total_time="$seconds" -seed="${SEED:-1}" \
      -malloc_limit_mb=300 -artifact_prefix="$build/" "$@" \
      >"$build/$driver.log" 2>&1; then
    tail -n 60 "$build/$driver.log"
    echo "$passed passed, 1 failed"
    exit 1
  fi
  tail -n 1 "$build/$driver.log"
  passed=$((passed + 1))
done

# The readers of files, in Python.
if python -c 'import atheris' 2>/dev/null; then
  for reader in raw_file gguf_file results_file; do
    echo "$reader: $seconds s"
    if ! python "tests/fuzz/$reader.py" -max_total_time="$seconds" -seed="${SEED:-1}" -timeout=20 \
        -rss_limit_mb=1024 -malloc_limit_mb=300 -artifact_prefix="$build/" \
        "$build/corpus/$reader" >"$build/$reader.log" 2>&1; then
      tail -n 60 "$build/$reader.log"
      echo "$passed passed, 1 failed"
      exit 1
    fi
    tail -n 1 "$build/$reader.log"
    passed=$((passed + 1))
  done
else
  echo "raw_file, gguf_file and results_file are left out: atheris is missing (no wheel for this Python or CPU)"
fi
echo "$passed passed"
