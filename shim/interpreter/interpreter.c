/* The interpreter of the tree: Debian's CPython without the parts that the shim does not use.
 *
 * It is linked from Debian's libpython, with fewer built-in modules than python3. It knows where its modules are, so it
 * does not look for them, and the ones that CPython imports at its start are a part of it. It then runs
 * imds_shim.boot.archive, with the arguments after its own name.
 *
 * The settings are those of the options -I -S -B -OO -X utf8: isolated, no site packages, no byte code is written, text
 * is UTF-8 in every locale.
 */
#define _GNU_SOURCE
#include <Python.h>
#include <stdint.h>
#include <sys/mman.h>

/* Written by freeze_modules.py: static const struct _frozen frozen_modules[] */
#include "frozen_modules.h"

#define DEPTH_BELOW_TREE 2

/* The modules in C that the tree has, built in; the names are those in CPython's Modules/config.c. */
#define MODULES(X) \
	X(_abc) X(_codecs) X(_collections) X(_csv) X(_datetime) X(_functools) X(_heapq) X(_imp) X(_io) X(_json) \
	X(_locale) X(_opcode) X(_operator) X(_posixsubprocess) X(_random) X(_signal) X(_socket) X(_sre) X(_stat) \
	X(_string) X(_struct) X(_suggestions) X(_symtable) X(_sysconfig) X(_thread) X(_tokenize) X(_tracemalloc) \
	X(_typing) X(_weakref) X(_ast) X(array) X(atexit) X(binascii) X(_bisect) X(errno) X(faulthandler) X(fcntl) X(gc) \
	X(itertools) X(math) X(posix) X(pwd) X(select) X(time)

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
	{"builtins", NULL},
	{"sys", NULL},
	{NULL, NULL},
};

/* Memory for Python's objects, in huge pages if the kernel grants them: a page fault for each 4 kB takes a tenth of a
 * start. A start needs 8 MB; more comes in ordinary pages. */
#define HUGE_PAGE ((size_t)2 << 20)
#define HUGE_PAGES ((size_t)4)

static char *next_arena, *last_arena;

static void *allocate_arena(void *context, size_t size)
{
	(void)context;
	if (next_arena == NULL) {
		const size_t total = (HUGE_PAGES + 1) * HUGE_PAGE;
		char *memory = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (memory != MAP_FAILED) {
			next_arena = (char *)(((uintptr_t)memory + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1));
			last_arena = next_arena + HUGE_PAGES * HUGE_PAGE;
			madvise(next_arena, HUGE_PAGES * HUGE_PAGE, MADV_HUGEPAGE);
		}
	}
	if (size <= (size_t)(last_arena - next_arena)) {
		void *arena = next_arena;
		next_arena += size;
		return arena;
	}
	void *arena = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return arena == MAP_FAILED ? NULL : arena;
}

static void free_arena(void *context, void *arena, size_t size)
{
	(void)context;
	munmap(arena, size);
}

/* CPython imports zipimport at its start if it has it; the tree has no zip files. */
extern const struct _frozen *_PyImport_FrozenBootstrap;

static void leave_out_zipimport(void)
{
	static struct _frozen kept[8];
	struct _frozen *next = kept;
	for (const struct _frozen *one = _PyImport_FrozenBootstrap; one->name != NULL && next < kept + 7; one++)
		if (strcmp(one->name, "zipimport") != 0)
			*next++ = *one;
	_PyImport_FrozenBootstrap = kept;
}

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
static wchar_t *find_tree(const char *program)
{
	wchar_t *path = Py_DecodeLocale(program, NULL);
	for (int level = 0; path != NULL && level < DEPTH_BELOW_TREE; level++) {
		wchar_t *slash = wcsrchr(path, L'/');
		if (slash == NULL)
			return NULL;
		*slash = L'\0';
	}
	return path;
}

int main(int argc, char **argv)
{
	PyPreConfig encoding;
	PyPreConfig_InitIsolatedConfig(&encoding);
	encoding.utf8_mode = 1;
	check(Py_PreInitialize(&encoding));
	wchar_t *tree = argc > 0 ? find_tree(argv[0]) : NULL;
	if (tree == NULL)
		check(PyStatus_Error("imds-shim: start TREE/bin/imds-shim instead"));
	PyImport_FrozenModules = frozen_modules;
	leave_out_zipimport();
	PyObject_SetArenaAllocator(&(PyObjectArenaAllocator){NULL, allocate_arena, free_arena});

	PyConfig config;
	PyConfig_InitIsolatedConfig(&config);
	config.site_import = 0;
	config.write_bytecode = 0;
	config.optimization_level = 2;
	check(PyConfig_SetBytesArgv(&config, argc, argv));
	check(PyConfig_SetBytesString(&config, &config.executable, argv[0]));
	set(&config, &config.base_executable, config.executable);
	set(&config, &config.prefix, tree);
	set(&config, &config.base_prefix, tree);
	set(&config, &config.exec_prefix, tree);
	set(&config, &config.base_exec_prefix, tree);
	set(&config, &config.stdlib_dir, tree);
	config.module_search_paths_set = 1;
	config._init_main = 0;
	check(Py_InitializeFromConfig(&config));
	PyConfig_Clear(&config);
	/* Nothing becomes garbage before exec. */
	PyGC_Disable();
	check(_Py_InitializeMain());

	/* Ends with SystemExit, which PyErr_Print handles. */
	PyImport_ImportFrozenModule("__main__");
	PyErr_Print();
	return 1;
}
