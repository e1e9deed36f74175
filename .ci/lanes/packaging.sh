# sdist and wheel built, repaired, installed in an empty environment outside the tree, and used.
set -eu
bin=$PWD/.venv/bin
dist=$PWD/build/dist
outside=$(mktemp -d)
mkdir -p build/packaging
trap 'rm -rf "$outside"' EXIT
rm -rf "$dist"

start=$(date +%s)
# Built below this tree and by the CMake of 'make build', so that a compiler cache sees the same
# paths and flags.
PATH=$bin:$PATH TMPDIR=$PWD/build/packaging "$bin/python" -m build --outdir "$dist" . >"$outside/build.log" 2>&1 || { tail -n 40 "$outside/build.log"; exit 1; }
echo "sdist, and a wheel from it: $(($(date +%s) - start)) s"
if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
  git ls-files | sort >"$outside/tracked"
  tar tf "$dist"/*.tar.gz | sed 's:^[^/]*/::' | sort >"$outside/packed"
  left_out=$(comm -23 "$outside/tracked" "$outside/packed")
  [ -z "$left_out" ] || { echo "not in the sdist: $left_out"; exit 1; }
fi
PATH=$bin:$PATH "$bin/auditwheel" repair --strip --wheel-dir "$dist/repaired" "$dist"/*.whl
wheel=$(echo "$dist"/repaired/*.whl)
bytes=$(stat -c %s "$wheel")
echo "$(basename "$wheel"): $bytes bytes"
[ "$bytes" -le 5000000 ] || { echo "the wheel is larger than 5 MB"; exit 1; }

"$bin/python" -m venv "$outside/venv"
"$outside/venv/bin/pip" install --quiet --disable-pip-version-check "$wheel"
cp .ci/lanes/smoke.py "$outside/smoke.py"
cd "$outside"
venv/bin/python -I smoke.py
