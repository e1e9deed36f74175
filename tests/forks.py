"""Small trees that install as the package bitnet_perf: one by a backend of its own in plain Python,
one by scikit-build-core with an extension."""

from __future__ import annotations

INFO = {
    "METADATA": "Metadata-Version: 2.1\nName: bitnet_perf\nVersion: 0.1.0\n",
    "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "RECORD": "",
}
# Waits while a file `hold` lies in the folder named by HOLD, so that a test can catch it at work.
_BACKEND = """
import os, pathlib, time, zipfile

def build_wheel(folder, config_settings=None, metadata_directory=None):
    place = pathlib.Path(os.environ.get("HOLD", "/nonexistent"))
    if place.is_dir():
        with open(place / "builds", "a") as builds:
            builds.write("x")
        (place / "starting").write_text(str(os.getpid()))
        (place / "starting").rename(place / "started")
    while (place / "hold").exists():
        time.sleep(0.02)
    name = "bitnet_perf-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        for path in sorted(pathlib.Path("bitnet_perf").rglob("*.py")):
            wheel.write(path)
        for file, text in INFO.items():
            wheel.writestr("bitnet_perf-0.1.0.dist-info/" + file, text)
    return name
"""
_BACKEND = f"INFO = {INFO}\n{_BACKEND}"


PLAIN = {
    "pyproject.toml": (
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    ),
    "backend.py": _BACKEND,
    "bitnet_perf/__init__.py": "SIDE = 1\n",
    "bitnet_perf/_bench.py": "VERSION = 1\n",
}

_KERNEL = """
extern "C" const int table[4] = {1, 2, 3, 4};
static int twice(int x) { return 2 * x; }
extern "C" int gemv_i2_s_scalar(int x) { return twice(table[x & 3]) + 5; }
"""
_MODULE = """
#include <Python.h>
extern "C" int gemv_i2_s_scalar(int x);
static PyObject* run(PyObject*, PyObject*) { return PyLong_FromLong(gemv_i2_s_scalar(1)); }
static PyMethodDef methods[] = {{"run", run, METH_NOARGS, ""}, {nullptr, nullptr, 0, nullptr}};
static PyModuleDef module = {PyModuleDef_HEAD_INIT, "_native", "", -1, methods};
PyMODINIT_FUNC PyInit__native() { return PyModule_Create(&module); }
"""
_CMAKE = """
cmake_minimum_required(VERSION 3.20)
project(fork LANGUAGES CXX)
option(BP_EXTRA "Changes the code" OFF)
find_package(Python REQUIRED COMPONENTS Interpreter Development.Module)
Python_add_library(_native MODULE WITH_SOABI
  csrc/bind/module.cpp csrc/kernels/gemv/i2_s/scalar.cpp)
if(BP_EXTRA)
  target_compile_definitions(_native PRIVATE BP_EXTRA)
endif()
install(TARGETS _native LIBRARY DESTINATION bitnet_perf)
"""

NATIVE = {
    "pyproject.toml": (
        '[build-system]\nrequires = ["scikit-build-core"]\n'
        'build-backend = "scikit_build_core.build"\n'
        '[project]\nname = "bitnet_perf"\nversion = "0.1.0"\n'
        '[tool.scikit-build]\nwheel.packages = ["bitnet_perf"]\nbuild-dir = "build"\n'
        'cmake.build-type = "Release"\nninja.make-fallback = true\n'
    ),
    "CMakeLists.txt": _CMAKE,
    "csrc/bind/module.cpp": _MODULE,
    "csrc/kernels/gemv/i2_s/scalar.cpp": _KERNEL,
    "bitnet_perf/__init__.py": '"""A fork."""\n',
    "bitnet_perf/_bench.py": "from bitnet_perf import _native\nVERSION = 1\n",
    "bitnet_perf/formats/__init__.py": "BLOCK = 32\n",
}
