# SPDX-License-Identifier: Apache-2.0
# normd_python_test(NAME PATH LABEL): one pytest file or folder becomes one ctest.

# Debian's Python has the packages that clients/setup/packages.sh installs; another one only
# where there is none.
find_program(NORMD_PYTHON NAMES python3 PATHS /usr/bin NO_DEFAULT_PATH)
find_program(NORMD_PYTHON NAMES python3)

function(normd_python_test name path label)
  add_test(NAME ${name} COMMAND ${NORMD_PYTHON} -m pytest -q -p no:cacheprovider ${path})
  set_tests_properties(${name} PROPERTIES
    LABELS ${label}
    TIMEOUT 600
    ENVIRONMENT "NORMD_BUILD=${CMAKE_BINARY_DIR};PYTHONDONTWRITEBYTECODE=1")
endfunction()
