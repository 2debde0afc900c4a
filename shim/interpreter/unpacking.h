/* Decompression of code, which only a start without a snapshot needs in full. */
#ifndef UNPACKING_H
#define UNPACKING_H

#include <Python.h>
#include <stdbool.h>

/* Decompresses what zlib has compressed. Returns whether that succeeds and gives just so many bytes. */
bool unpack(void *to, size_t bytes, const void *packed, size_t packed_bytes);

/* The built-in module `unpacking`: unpack(packed, size) returns bytes. */
PyObject *unpacking_init(void);

#endif
