# Every kernel on the GPU of this host, beside the emulator and the cases of gpu-report; then the
# same under the four tools of compute-sanitizer.
set -u
export PYTHONPATH=tests
python=.venv/bin/python
why=$("$python" -m cuda_on_device --why-not) || { echo "the tests of CUDA cannot be imported"; exit 1; }
[ -z "$why" ] || { echo "no GPU: $why"; exit 77; }
"$python" -m cuda_on_device || exit 1
sanitizer=$("$python" -m cuda_on_device --sanitizer 2>&1) || { echo "$sanitizer"; exit 77; }
for tool in memcheck racecheck synccheck initcheck; do
  log=build/lanes/gpu.$tool.log
  "$sanitizer" --tool "$tool" --error-exitcode 9 "$python" -m cuda_on_device >"$log" 2>&1 ||
    { tail -n 60 "$log"; echo "$tool: failed"; exit 1; }
  echo "$tool: $(tail -n 1 "$log")"
done
