# SPDX-License-Identifier: Apache-2.0
# A box is a folder with a target of its own. Its headers are included by their path from the top
# ("lib/session/session.h"), and are reachable only by targets that link the box: each box has an
# include root that holds a link to its folder and nothing else.

add_library(normd_flags INTERFACE)
target_compile_features(normd_flags INTERFACE c_std_17)
target_compile_definitions(normd_flags INTERFACE _GNU_SOURCE NORMD_VERSION="${PROJECT_VERSION}")
target_compile_options(normd_flags INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes -Wmissing-prototypes
  -Wundef -Wpointer-arith -Wcast-qual -Wwrite-strings -Wvla -Wformat=2 -Wnull-dereference
  -Wno-psabi
  # Of loops that Clang was asked to turn into vector code and cannot, as with sanitizers.
  $<$<C_COMPILER_ID:Clang>:-Wno-pass-failed>
  # No contraction into fused multiply-adds: every instruction set must give the same bits.
  -ffp-contract=off -fno-math-errno
  -fvisibility=hidden -fno-omit-frame-pointer -fstack-protector-strong)
if(NORMD_WERROR)
  target_compile_options(normd_flags INTERFACE -Werror)
endif()
if(NORMD_SANITIZE)
  target_compile_options(normd_flags INTERFACE -fsanitize=${NORMD_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(normd_flags INTERFACE -fsanitize=${NORMD_SANITIZE})
endif()
if(NORMD_FUZZ)
  target_compile_options(normd_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_definitions(normd_flags INTERFACE _FORTIFY_SOURCE=2)
endif()
# Only the daemon is linked as one program (its CMakeLists.txt); all others take the same objects as
# they were compiled, since a whole program a test would take minutes.
if(NORMD_LTO)
  target_compile_options(normd_flags INTERFACE -flto=auto -ffat-lto-objects)
  add_link_options(-fno-lto)
endif()
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_EXTENSIONS OFF)

# normd_box(TARGET FOLDER [LINK targets...] SOURCES files...): a static library of one box.
function(normd_box target folder)
  cmake_parse_arguments(BOX "" "" "LINK;SOURCES" ${ARGN})
  add_library(${target} STATIC ${BOX_SOURCES})
  normd_box_headers(${target} ${folder} PUBLIC)
  target_link_libraries(${target} PUBLIC ${BOX_LINK} PRIVATE normd_flags)
endfunction()

# Makes "FOLDER/..." includable for the target (and, when PUBLIC, for what links it). FOLDER counts
# from the top of the tree, whichever project this is included by (tests/cross is one of its own).
function(normd_box_headers target folder scope)
  get_filename_component(top ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../.. ABSOLUTE)
  string(REPLACE "/" "_" root ${folder})
  set(root ${CMAKE_BINARY_DIR}/boxes/${root})
  get_filename_component(parent ${root}/${folder} DIRECTORY)
  file(MAKE_DIRECTORY ${parent})
  file(CREATE_LINK ${top}/${folder} ${root}/${folder} SYMBOLIC)
  target_include_directories(${target} ${scope} ${root})
endfunction()
