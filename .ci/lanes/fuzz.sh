# Every variant against scalar and the reader of GGUF headers on drawn inputs, under ASan and UBSan:
# by libFuzzer where Clang and its runtime are, else with inputs drawn at random; and the readers of
# raw, GGUF and results files (atheris), within bounded memory. LANE_ALL: ten times as long.
set -eu
. .ci/lanes/sanitized.sh
seconds=${LANE_ALL:+120}
seconds=${seconds:-10} # each, a minute in all
sanitized_build address,undefined
[ "$compiler" = clang++ ] ||
  echo "no libFuzzer here ('apt-get install clang libclang-rt-dev'): inputs are drawn at random"

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
