# The only table from an instruction set (the name of a kernel file) to its compiler flags and its
# run-time test. A kernel file whose name is not here stops the configuration.
#
#   bp_isa(NAME ARCH <any|x86_64|aarch64> FLAGS <flags> NEEDS <what the CPU must have, for people>
#          TEST <C++ expression, true where the CPU can run it>
#          [REFUSAL <C++ expression, asked then: why this process cannot all the same, or null>])
#
# Adding an instruction set is one entry here; adding a variant of a kernel is one file
# csrc/kernels/<family>/<format>/<isa>.cpp and one line in csrc/kernels/<family>/kernels.inc.

set(BP_ISAS "")
set(BP_ISA_HEADER "")

if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  set(BP_ARCH x86_64)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
  set(BP_ARCH aarch64)
else()
  set(BP_ARCH other)
endif()

macro(bp_isa name)
  cmake_parse_arguments(ISA "" "ARCH;NEEDS;TEST;REFUSAL" "FLAGS" ${ARGN})
  list(APPEND BP_ISAS ${name})
  set(BP_FLAGS_${name} ${ISA_FLAGS})
  if(NOT DEFINED ISA_REFUSAL)
    set(ISA_REFUSAL nullptr)
  endif()
  if(ISA_ARCH STREQUAL "any" OR ISA_ARCH STREQUAL BP_ARCH)
    set(BP_BUILT_${name} TRUE)
    string(APPEND BP_ISA_HEADER "#define BP_DECLARE_${name}(...) __VA_ARGS__\n"
      "#define BP_BUILT_${name}(fn) (fn)\n"
      "#define BP_REFUSAL_${name} ((${ISA_TEST}) ? ${ISA_REFUSAL} : \"this CPU lacks ${ISA_NEEDS}\")\n")
  else()
    set(BP_BUILT_${name} FALSE)
    string(APPEND BP_ISA_HEADER "#define BP_DECLARE_${name}(...)\n"
      "#define BP_BUILT_${name}(fn) nullptr\n"
      "#define BP_REFUSAL_${name} \"needs ${ISA_ARCH}, this build is for ${BP_ARCH}\"\n")
  endif()
  string(APPEND BP_ISA_ROWS "  X(${name}, \"${ISA_ARCH}\", \"${ISA_NEEDS}\") \\\n")
endmacro()

if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  set(BP_NO_VECTORIZE -fno-vectorize -fno-slp-vectorize)
else()
  set(BP_NO_VECTORIZE -fno-tree-vectorize -fno-tree-slp-vectorize)
endif()

# GCC 12's own AVX-512 intrinsics use a register whose value does not matter, and warn of it.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  set(BP_AVX512_WARNINGS -Wno-uninitialized -Wno-maybe-uninitialized)
endif()

# The reference: no automatic vectorization, so that it is a real baseline.
bp_isa(scalar   ARCH any     NEEDS "any CPU" TEST "true" FLAGS ${BP_NO_VECTORIZE})
bp_isa(x86_avx2 ARCH x86_64  NEEDS "AVX2, FMA, F16C"
       TEST "__builtin_cpu_supports(\"avx2\") && __builtin_cpu_supports(\"fma\") && cpu_has_f16c()"
       FLAGS -mavx2 -mfma -mf16c)
bp_isa(x86_avxvnni ARCH x86_64 NEEDS "AVX2, FMA, F16C, AVX-VNNI"
       TEST "__builtin_cpu_supports(\"avx2\") && __builtin_cpu_supports(\"fma\") && cpu_has_f16c() && cpu_has_avxvnni()"
       FLAGS -mavx2 -mfma -mf16c -mavxvnni)
bp_isa(x86_avx512 ARCH x86_64 NEEDS "AVX-512 F, BW, DQ, VL"
       TEST "__builtin_cpu_supports(\"avx512f\") && __builtin_cpu_supports(\"avx512bw\") && __builtin_cpu_supports(\"avx512dq\") && __builtin_cpu_supports(\"avx512vl\")"
       FLAGS -mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512dq -mavx512vl
             -mprefer-vector-width=512 ${BP_AVX512_WARNINGS})
bp_isa(x86_avx512vnni ARCH x86_64 NEEDS "AVX-512 F, BW, DQ, VL, VNNI"
       TEST "__builtin_cpu_supports(\"avx512f\") && __builtin_cpu_supports(\"avx512bw\") && __builtin_cpu_supports(\"avx512dq\") && __builtin_cpu_supports(\"avx512vl\") && __builtin_cpu_supports(\"avx512vnni\")"
       FLAGS -mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni
             -mprefer-vector-width=512 ${BP_AVX512_WARNINGS})
bp_isa(x86_amx ARCH x86_64 NEEDS "AMX-TILE, AMX-INT8, GFNI, AVX-512 F, BW, DQ, VL, VNNI"
       TEST "cpu_has_amx()" REFUSAL "tiles_refused()"
       FLAGS -mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mgfni
             -mamx-tile -mamx-int8 -mprefer-vector-width=512 ${BP_AVX512_WARNINGS})
bp_isa(arm_neon ARCH aarch64 NEEDS "NEON" TEST "true" FLAGS -march=armv8-a)
bp_isa(arm_neondot ARCH aarch64 NEEDS "NEON dot products (FEAT_DotProd)"
       TEST "cpu_has_dotprod()" FLAGS -march=armv8.2-a+dotprod)
bp_isa(arm_i8mm ARCH aarch64 NEEDS "int8 matrix products (FEAT_I8MM, FEAT_DotProd)"
       TEST "cpu_has_dotprod() && cpu_has_i8mm()" FLAGS -march=armv8.2-a+dotprod+i8mm)

string(PREPEND BP_ISA_HEADER "// Made by cmake/isa.cmake.\n#pragma once\n")
string(APPEND BP_ISA_HEADER "#define BP_ARCH \"${BP_ARCH}\"\n#define BP_ISAS(X) \\\n${BP_ISA_ROWS}\n")
file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/generated/bp_isas.hpp
     CONTENT "${BP_ISA_HEADER}" @ONLY)

# bp_kernel_sources(TARGET): every csrc/kernels/<family>/<format>/<isa>.cpp of this architecture,
# each with the flags of its ISA; csrc/kernels/<family>/*.cpp are drivers with the base flags.
function(bp_kernel_sources target)
  file(GLOB files CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/csrc/kernels/*/*/*.cpp)
  foreach(file IN LISTS files)
    get_filename_component(isa ${file} NAME_WE)
    if(NOT isa IN_LIST BP_ISAS)
      message(FATAL_ERROR "${file}: '${isa}' is not an instruction set of cmake/isa.cmake "
        "(known: ${BP_ISAS}). Rename the file or add an entry there.")
    endif()
    if(BP_BUILT_${isa})
      target_sources(${target} PRIVATE ${file})
      set_source_files_properties(${file} PROPERTIES COMPILE_OPTIONS "${BP_FLAGS_${isa}}")
    endif()
  endforeach()
endfunction()
