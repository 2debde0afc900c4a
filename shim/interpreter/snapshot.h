/* The state of the interpreter after its imports, in a file. */
#ifndef SNAPSHOT_H
#define SNAPSHOT_H

#include <Python.h>

struct snapshot;

/* Makes a snapshot possible: called before anything of CPython. Exits with a message if the kernel does not grant the address. */
struct snapshot *snapshot_prepare(void);

/* Writes what has changed since snapshot_prepare, and `entry`, which snapshot_restore returns. Exits with a message if something
 * in it belongs to this process alone. Nothing of CPython may be called afterwards. */
void snapshot_write(struct snapshot *snapshot, const char *path, PyObject *entry);

/* Continues where snapshot_write stopped, in place of CPython's initialization. Returns NULL, and has changed nothing, if the
 * file is not a snapshot of this very program or the kernel does not grant the address. */
PyObject *snapshot_restore(const char *path);

#endif
