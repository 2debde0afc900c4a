/* imds-shim: the one file of the tree that the kernel can start in any image.
 *
 * It is static, so it needs nothing of the image it is put into: no libc, no dynamic loader, no shell. It finds the tree
 * that it belongs to and executes the tree's own loader with the tree's own interpreter.
 *
 * The environment belongs to the application. Neither our loader (LD_PRELOAD, LD_LIBRARY_PATH, GLIBC_TUNABLES) nor our
 * interpreter nor our C library (LC_ALL, MALLOC_*) may act on it, and it must come through byte for byte, whatever is in
 * it. So every entry gets one byte in front, '=', which makes it a variable without a name that nobody looks at;
 * imds_shim.boot.main takes that byte off again. Order, duplicates and entries without '=' survive.
 *
 * As PID 1 the shim would lose a SIGTERM or SIGINT that arrives before it can catch them, which takes the interpreter a
 * hundredth of a second. So they are blocked here, and one more entry, without the byte, says which imds_shim.boot.main has to
 * let through.
 *
 * The interpreter ignores SIGPIPE and SIGXFSZ before any code of ours runs. The application must get them as we did, so
 * more entries name those of the two that were ignored already, and those that were blocked and pending.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#define EX_OSERR 71
/* The launcher is TREE/bin/imds-shim. */
#define DEPTH_BELOW_TREE 2

extern char **environ;

static _Noreturn void fail(const char *what, const char *cure)
{
	dprintf(STDERR_FILENO, "imds-shim: cannot start: %s: %s; %s\n", what, strerror(errno), cure);
	_exit(EX_OSERR);
}

static const char lost[] = "start it by a full path and mount /proc";
static const char no_memory[] = "give the container more memory";

/* Where this program lies. /proc may be missing; the kernel also says which path it was asked to execute. */
static void find_tree(char *tree)
{
	ssize_t length = readlink("/proc/self/exe", tree, PATH_MAX - 1);
	if (length >= 0) {
		tree[length] = '\0';
	} else {
		const char *executed = (const char *)getauxval(AT_EXECFN);
		if (executed == NULL || realpath(executed, tree) == NULL)
			fail("the launcher's own path is unknown", lost);
	}
	for (int level = 0; level < DEPTH_BELOW_TREE; level++) {
		char *slash = strrchr(tree, '/');
		if (slash == NULL)
			fail("the launcher's own path is unknown", lost);
		*slash = '\0';
	}
}

static char *below(const char *tree, const char *name)
{
	char *path;
	if (asprintf(&path, "%s/%s", tree, name) < 0)
		fail("memory", no_memory);
	return path;
}

/* Says, as the last entry of the environment, which signals were not blocked before. */
static char *blocked(void)
{
	sigset_t awaited, before;
	sigemptyset(&awaited);
	sigaddset(&awaited, SIGTERM);
	sigaddset(&awaited, SIGINT);
	sigprocmask(SIG_BLOCK, &awaited, &before);
	char *entry;
	if (asprintf(&entry, "IMDS_SHIM_BLOCKED=%s%s", sigismember(&before, SIGTERM) ? "" : " TERM",
		     sigismember(&before, SIGINT) ? "" : " INT") < 0)
		fail("memory", no_memory);
	return entry;
}

static int is_ignored(int number)
{
	struct sigaction now;
	return sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

static int is_pending(int number)
{
	sigset_t pending;
	return sigpending(&pending) == 0 && sigismember(&pending, number) == 1;
}

/* Adds an entry that names which of the two signals `holds` is true of, unless it is true of neither. */
static char **add_signals(char **entry, const char *variable, int (*holds)(int))
{
	const int pipe = holds(SIGPIPE), file_size = holds(SIGXFSZ);
	if (!pipe && !file_size)
		return entry;
	if (asprintf(entry, "%s=%s%s", variable, pipe ? " PIPE" : "", file_size ? " XFSZ" : "") < 0)
		fail("memory", no_memory);
	return entry + 1;
}

static char **fenced_environment(void)
{
	size_t entries = 0, bytes = 0;
	for (; environ[entries] != NULL; entries++)
		bytes += strlen(environ[entries]) + sizeof "=";
	char **fenced = malloc((entries + 4) * sizeof *fenced);
	char *text = malloc(bytes + 1);
	if (fenced == NULL || text == NULL)
		fail("memory", no_memory);
	for (size_t entry = 0; entry < entries; entry++) {
		size_t length = strlen(environ[entry]) + 1;
		fenced[entry] = text;
		*text++ = '=';
		memcpy(text, environ[entry], length);
		text += length;
	}
	fenced[entries] = blocked();
	char **end = add_signals(fenced + entries + 1, "IMDS_SHIM_IGNORED", is_ignored);
	end = add_signals(end, "IMDS_SHIM_PENDING", is_pending);
	*end = NULL;
	return fenced;
}

int main(int argc, char **argv)
{
	char tree[PATH_MAX];
	find_tree(tree);
	char *loader = below(tree, "lib/loader");
	char *const interpreter[] = {
		loader,
		/* nothing of the image's libraries, by path or by cache */
		"--inhibit-cache", "--library-path", below(tree, "lib"),
		below(tree, "bin/python3"),
		/* isolated, no site, no byte code written, text is UTF-8 whatever the locale */
		"-I", "-S", "-B", "-X", "utf8",
		below(tree, "lib/archive.pyc"),
	};
	const size_t fixed = sizeof interpreter / sizeof *interpreter;
	/* argv[0] is ours; the rest, and the NULL behind it, is passed on. */
	char **arguments = malloc((fixed + (size_t)argc + 1) * sizeof *arguments);
	if (arguments == NULL)
		fail("memory", no_memory);
	memcpy(arguments, interpreter, sizeof interpreter);
	arguments[fixed] = NULL;
	if (argc > 0)
		memcpy(arguments + fixed, argv + 1, (size_t)argc * sizeof *arguments);
	execve(loader, arguments, fenced_environment());
	if (errno == E2BIG)
		fail("environment and arguments", "each entry may have 131070 bytes, all of them a quarter of the stack limit");
	fail(loader, "copy the whole of /opt/imds-shim into the image");
}
