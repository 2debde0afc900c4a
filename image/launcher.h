/* What the launchers of both trees share: finding the tree, and failing with a message.
 *
 * A launcher is static, so it needs nothing from the image: no libc, no dynamic loader, no shell. It is TREE/bin/NAME,
 * and runs the tree's loader with the tree's interpreter. PROGRAM, its name in messages, is defined before the include.
 */
#ifndef IMDS_LAUNCHER_H
#define IMDS_LAUNCHER_H

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#define EX_OSERR 71

static const char memory_advice[] = "give the container more memory";

static _Noreturn void fail(const char *what, const char *advice)
{
	dprintf(STDERR_FILENO, PROGRAM ": cannot start: %s: %s; %s\n", what, strerror(errno), advice);
	_exit(EX_OSERR);
}

/* Stores the path of the tree, and returns the launcher's own name, which follows it in `tree`. Without /proc, the path
 * comes from the kernel's auxiliary vector. */
static const char *find_tree(char tree[PATH_MAX])
{
	static const char advice[] = "start it by a full path and mount /proc";
	ssize_t length = readlink("/proc/self/exe", tree, PATH_MAX - 1);
	if (length >= 0) {
		tree[length] = '\0';
	} else {
		const char *executed = (const char *)getauxval(AT_EXECFN);
		if (executed == NULL || realpath(executed, tree) == NULL)
			fail("the launcher's own path is unknown", advice);
	}
	const char *name = tree;
	for (int level = 0; level < 2; level++) {
		char *slash = strrchr(tree, '/');
		if (slash == NULL)
			fail("the launcher's own path is unknown", advice);
		*slash = '\0';
		if (level == 0)
			name = slash + 1;
	}
	return name;
}

static char *path_in(const char *tree, const char *name)
{
	char *path;
	if (asprintf(&path, "%s/%s", tree, name) < 0)
		fail("memory", memory_advice);
	return path;
}

#endif
