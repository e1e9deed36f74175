#!/bin/sh
# Stands for the C++ compiler ($EMULATED_CXX) where CUDA kernels are built for the CPU: adds ASan and
# UBSan. Kernels, whose accesses the emulator sees by way of -fsanitize=thread, cannot have ASan too.
kind=address,undefined
for word; do
  [ "$word" != -fsanitize=thread ] || kind=undefined
done
# shellcheck disable=SC2086 # the compiler may have arguments
exec ${EMULATED_CXX:-c++} "$@" -fsanitize=$kind -fno-sanitize-recover=all
