/* The launcher: the only file of the tree that the kernel can start in any image.
 *
 * It is static, so it needs nothing from the image: no libc, no dynamic loader, no shell. It finds its tree and runs
 * the tree's loader with the tree's interpreter.
 *
 * The environment belongs to the application. It must not affect the tree's loader (LD_PRELOAD, LD_LIBRARY_PATH,
 * GLIBC_TUNABLES), interpreter or C library (LC_ALL, MALLOC_*), and it must reach the application byte for byte. The
 * launcher therefore prefixes every entry with one byte, '=', which makes it a variable without a name that no program
 * reads; imds_shim.boot.main removes the byte. Order, duplicates and entries without '=' are preserved.
 *
 * As PID 1 the shim would lose a SIGTERM or SIGINT that arrives before its handlers are installed, about 10 ms later.
 * The launcher blocks both, and names in one more entry, without the byte, which ones imds_shim.boot.main must unblock.
 */
#define _GNU_SOURCE
#include <signal.h>

#define PROGRAM "imds-shim"
#include "../../image/launcher.h"

extern char **environ;

/* Blocks SIGTERM and SIGINT; returns an environment entry that names those that were not blocked before. */
static char *block_signals(void)
{
	sigset_t blocked, before;
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigaddset(&blocked, SIGINT);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	char *entry;
	if (asprintf(&entry, "IMDS_SHIM_BLOCKED=%s%s", sigismember(&before, SIGTERM) ? "" : " TERM",
		     sigismember(&before, SIGINT) ? "" : " INT") < 0)
		fail("memory", memory_advice);
	return entry;
}

static char **prefixed_environment(void)
{
	size_t entries = 0, bytes = 0;
	for (; environ[entries] != NULL; entries++)
		bytes += strlen(environ[entries]) + sizeof "=";
	char **prefixed = malloc((entries + 2) * sizeof *prefixed);
	char *text = malloc(bytes + 1);
	if (prefixed == NULL || text == NULL)
		fail("memory", memory_advice);
	for (size_t entry = 0; entry < entries; entry++) {
		size_t length = strlen(environ[entry]) + 1;
		prefixed[entry] = text;
		*text++ = '=';
		memcpy(text, environ[entry], length);
		text += length;
	}
	prefixed[entries] = block_signals();
	prefixed[entries + 1] = NULL;
	return prefixed;
}

int main(int argc, char **argv)
{
	char tree[PATH_MAX];
	find_tree(tree);
	char *loader = path_in(tree, "lib/loader");
	char *const interpreter[] = {
		loader,
		/* no libraries of the image, neither by path nor by cache */
		"--inhibit-cache", "--library-path", path_in(tree, "lib"),
		path_in(tree, "bin/python3"),
	};
	const size_t fixed = sizeof interpreter / sizeof *interpreter;
	/* All arguments after argv[0], and the NULL after them, are passed on. */
	char **arguments = malloc((fixed + (size_t)argc + 1) * sizeof *arguments);
	if (arguments == NULL)
		fail("memory", memory_advice);
	memcpy(arguments, interpreter, sizeof interpreter);
	arguments[fixed] = NULL;
	if (argc > 0)
		memcpy(arguments + fixed, argv + 1, (size_t)argc * sizeof *arguments);
	execve(loader, arguments, prefixed_environment());
	if (errno == E2BIG)
		fail("environment and arguments", "each entry may have 131070 bytes, all entries a quarter of the stack limit");
	fail(loader, "copy the whole of /opt/imds-shim into the image");
}
