// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_TESTS_UNIT_LIB_EXCHANGE_GOLDEN_H
#define NORMD_TESTS_UNIT_LIB_EXCHANGE_GOLDEN_H

/* A file as safetensors 0.8.0 for Python writes it:
     save({"bn.weight": array([1.0, -0.5, 2.0], float32),
           "bn.num_batches_tracked": array(7, int64),
           "flag": array([True, False]),
           "empty": zeros((0, 3), float64)},
          metadata={"format": "pt", "by": "\u00e5"}) */
static const char golden[] =
    "\x28\x01\0\0\0\0\0\0"
    "{\"__metadata__\":{\"format\":\"pt\",\"by\":\"\xc3\xa5\"},"
    "\"bn.num_batches_tracked\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]},"
    "\"empty\":{\"dtype\":\"F64\",\"shape\":[0,3],\"data_offsets\":[8,8]},"
    "\"bn.weight\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[8,20]},"
    "\"flag\":{\"dtype\":\"BOOL\",\"shape\":[2],\"data_offsets\":[20,22]}} "
    "\x07\0\0\0\0\0\0\0"
    "\0\0\x80\x3f"
    "\0\0\0\xbf"
    "\0\0\0\x40"
    "\x01\0";
enum { GOLDEN_BYTES = sizeof golden - 1 };

#endif
