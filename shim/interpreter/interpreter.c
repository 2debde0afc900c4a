/* The interpreter of the tree: Debian's CPython without the parts that the shim does not use.
 *
 * It is linked from Debian's libpython, with fewer built-in modules than python3. It knows where its modules are, so it
 * does not look for them, and the ones that CPython imports at its start are a part of it. It then calls
 * imds_shim.boot.archive, with the arguments after its own name. A snapshot of the tree takes the place of all imports.
 *
 * The settings are those of the options -I -S -B -OO -X utf8: isolated, no site packages, no byte code is written, text
 * is UTF-8 in every locale.
 */
#define _GNU_SOURCE
#define Py_BUILD_CORE 1
#include <Python.h>
#include <fcntl.h>
#include <internal/pycore_import.h>
#include <signal.h>
#include <unistd.h>

#include "memory.h"
#include "snapshot.h"
#include "unpacking.h"

/* Written by freeze_modules.py: frozen_modules, frozen_code and packed_code */
#include "frozen_modules.h"

#define DEPTH_BELOW_TREE 2
/* What a start without a snapshot needs; more is in pages of its own. */
#define ARENAS_BYTES ((size_t)8 << 20)

/* The modules in C that the tree has, built in; the names are those in CPython's Modules/config.c. */
#define MODULES(X) \
	X(_abc) X(_codecs) X(_collections) X(_datetime) X(_functools) X(_heapq) X(_imp) X(_io) X(_json) X(_locale) \
	X(_opcode) X(_operator) X(_random) X(_signal) X(_socket) X(_sre) X(_stat) X(_string) X(_struct) X(_suggestions) \
	X(_thread) X(_tokenize) X(_typing) X(_weakref) X(_ast) X(array) X(atexit) X(binascii) X(_bisect) X(errno) \
	X(faulthandler) X(fcntl) X(gc) X(itertools) X(math) X(posix) X(pwd) X(select) X(time)

#define DECLARE(name) extern PyObject *PyInit_##name(void);
#define ENTRY(name) {#name, PyInit_##name},
MODULES(DECLARE)
extern PyObject *PyMarshal_Init(void);
extern PyObject *_PyWarnings_Init(void);

/* Replaces the table in libpython, so that the linker leaves out the other modules. */
struct _inittab _PyImport_Inittab[] = {
	MODULES(ENTRY)
	{"marshal", PyMarshal_Init},
	{"_warnings", _PyWarnings_Init},
	{"unpacking", unpacking_init},
	{"builtins", NULL},
	{"sys", NULL},
	{NULL, NULL},
};

/* Replace CPython's tables, so that the linker leaves out the frozen modules that the tree has in its file. CPython finds
 * no zipimport, which it would import at its start. */
static const struct _frozen none[] = {{.name = NULL}};
static const struct _module_alias no_aliases[] = {{.name = NULL}};
const struct _frozen *_PyImport_FrozenBootstrap = frozen_modules, *_PyImport_FrozenStdlib = none, *_PyImport_FrozenTest = none;
const struct _frozen *PyImport_FrozenModules = NULL;
const struct _module_alias *_PyImport_FrozenAliases = no_aliases;

static void check(PyStatus status)
{
	if (PyStatus_Exception(status))
		Py_ExitStatusException(status);
}

static void set(PyConfig *config, wchar_t **field, const wchar_t *text)
{
	check(PyConfig_SetString(config, field, text));
}

/* Returns the path of the tree, which is two directories above the program's. */
static char *find_tree(const char *program)
{
	char *path = strdup(program);
	for (int level = 0; path != NULL && level < DEPTH_BELOW_TREE; level++) {
		char *slash = strrchr(path, '/');
		if (slash == NULL)
			return NULL;
		*slash = '\0';
	}
	return path;
}

static void initialize(const char *tree, const char *program)
{
	if (!unpack(frozen_code, sizeof frozen_code, packed_code, sizeof packed_code)) {
		fprintf(stderr, "imds-shim: cannot start: not enough memory; give the container more memory\n");
		exit(1);
	}
	PyPreConfig encoding;
	PyPreConfig_InitIsolatedConfig(&encoding);
	encoding.utf8_mode = 1;
	check(Py_PreInitialize(&encoding));
	PyObject_SetArenaAllocator(&(PyObjectArenaAllocator){NULL, allocate_arena, free_arena});

	PyConfig config;
	PyConfig_InitIsolatedConfig(&config);
	config.site_import = 0;
	config.write_bytecode = 0;
	config.optimization_level = 2;
	/* A snapshot must not differ from build to build. The keys of the shim's dictionaries are few and short. */
	config.use_hash_seed = 1;
	wchar_t *path = Py_DecodeLocale(tree, NULL);
	check(PyConfig_SetBytesString(&config, &config.executable, program));
	set(&config, &config.base_executable, config.executable);
	set(&config, &config.prefix, path);
	set(&config, &config.base_prefix, path);
	set(&config, &config.exec_prefix, path);
	set(&config, &config.base_exec_prefix, path);
	set(&config, &config.stdlib_dir, path);
	PyMem_RawFree(path);
	config.module_search_paths_set = 1;
	config._init_main = 0;
	check(Py_InitializeFromConfig(&config));
	PyConfig_Clear(&config);
	/* Nothing becomes garbage before exec. */
	PyGC_Disable();
	check(_Py_InitializeMain());
}

/* Returns a function of imds_shim.boot.archive. */
static PyObject *function(const char *name)
{
	PyObject *module = PyImport_ImportModule("archive");
	PyObject *found = module == NULL ? NULL : PyObject_GetAttrString(module, name);
	if (found == NULL) {
		PyErr_Print();
		exit(1);
	}
	return found;
}

/* Makes the standard streams /dev/null, and standard error this descriptor if it is one. Returns what standard error was. */
static int replace_streams(int standard_error)
{
	const int before = dup(STDERR_FILENO), null = open("/dev/null", O_RDWR);
	if (before < 0 || null < 0) {
		perror("no snapshot: /dev/null");
		exit(1);
	}
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(standard_error < 0 ? null : standard_error, STDERR_FILENO);
	close(null);
	return before;
}

static void write_snapshot(const char *tree, const char *program, const char *path)
{
	/* Signals that are ignored, variables and streams where the tree is built say nothing about where it runs. Python's objects
	 * for the streams depend on whether they are terminals. */
	clearenv();
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	const int standard_error = replace_streams(-1);
	struct snapshot *snapshot = snapshot_prepare();
	initialize(tree, program);
	replace_streams(standard_error);
	PyGC_Enable();
	PyObject *done = PyObject_CallFunction(function("prepare"), "s", tree);
	if (done == NULL) {
		PyErr_Print();
		exit(1);
	}
	PyGC_Collect();
	PyGC_Disable();
	/* All of them are imported. */
	memset(frozen_code, 0, sizeof frozen_code);
	snapshot_write(snapshot, path, function("run"));
	exit(0);
}

static PyObject *list_of(char **strings)
{
	PyObject *list = PyList_New(0);
	for (; list != NULL && *strings != NULL; strings++) {
		PyObject *bytes = PyBytes_FromString(*strings);
		if (bytes == NULL || PyList_Append(list, bytes) != 0)
			return NULL;
		Py_DECREF(bytes);
	}
	return list;
}

static PyObject *ignored_signals(void)
{
	PyObject *list = PyList_New(0);
	for (int number = 1; list != NULL && number < NSIG; number++) {
		struct sigaction now;
		if (sigaction(number, NULL, &now) != 0 || now.sa_handler != SIG_IGN)
			continue;
		PyObject *one = PyLong_FromLong(number);
		if (one == NULL || PyList_Append(list, one) != 0)
			return NULL;
		Py_DECREF(one);
	}
	return list;
}

int main(int argc, char **argv, char **environment)
{
	char *tree = argc > 0 ? find_tree(argv[0]) : NULL, *snapshot;
	if (tree == NULL || asprintf(&snapshot, "%s/lib/snapshot", tree) < 0) {
		fprintf(stderr, "imds-shim: start TREE/bin/imds-shim instead\n");
		return 1;
	}
	/* Only the build of the tree sets it: the launcher changes the names of all variables. */
	const char *wanted = getenv("IMDS_SHIM_SNAPSHOT");
	if (wanted != NULL)
		write_snapshot(tree, argv[0], wanted);

	PyObject *run = snapshot_restore(snapshot);
	if (run == NULL) {
		region_map(ARENAS_BYTES);
		initialize(tree, argv[0]);
		run = function("run");
	}
	PyObject *code = PyObject_CallFunction(run, "sNNN", tree, list_of(argv + 1), list_of(environment), ignored_signals());
	if (code == NULL) {
		PyErr_Print();
		return 1;
	}
	/* Nothing has to be freed. */
	_exit((int)PyLong_AsLong(code));
}
