/* Decompression. CPython's module zlib would add the compression and its own types to the program and the snapshot. */
#include "unpacking.h"

#include <zlib.h>

bool unpack(void *to, size_t bytes, const void *packed, size_t packed_bytes)
{
	uLongf unpacked = bytes;
	return uncompress(to, &unpacked, packed, packed_bytes) == Z_OK && unpacked == bytes;
}

static PyObject *unpack_bytes(PyObject *module, PyObject *arguments)
{
	(void)module;
	Py_buffer packed;
	Py_ssize_t size;
	if (!PyArg_ParseTuple(arguments, "y*n", &packed, &size))
		return NULL;
	PyObject *bytes = PyBytes_FromStringAndSize(NULL, size);
	if (bytes != NULL && !unpack(PyBytes_AS_STRING(bytes), (size_t)size, packed.buf, (size_t)packed.len)) {
		Py_CLEAR(bytes);
		PyErr_SetString(PyExc_ValueError, "lib/modules is damaged");
	}
	PyBuffer_Release(&packed);
	return bytes;
}

static PyMethodDef functions[] = {
	{"unpack", unpack_bytes, METH_VARARGS, NULL},
	{NULL, NULL, 0, NULL},
};
static struct PyModuleDef definition = {.m_base = PyModuleDef_HEAD_INIT, .m_name = "unpacking", .m_methods = functions, .m_size = -1};

PyObject *unpacking_init(void)
{
	return PyModule_Create(&definition);
}
