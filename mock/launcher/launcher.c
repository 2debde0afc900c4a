/* The launcher of the mock's tree: the only file in it that the kernel can start in any image.
 *
 * TREE/bin/NAME runs the program TREE/lib/NAME.pyc. TREE/bin/python runs the interpreter with the given arguments: that
 * is what `sys.executable` names, so the mock starts its helper processes through it.
 */
#define _GNU_SOURCE
#define PROGRAM "imds-mock"
#include "../../image/launcher.h"

int main(int argc, char **argv)
{
	char tree[PATH_MAX];
	const char *name = find_tree(tree);
	char *loader = path_in(tree, "lib/loader");
	char *const interpreter[] = {
		loader,
		/* no libraries of the image, neither by path nor by cache */
		"--inhibit-cache", "--library-path", path_in(tree, "lib"),
		"--argv0", path_in(tree, "bin/python"),
		path_in(tree, "bin/python3"),
		/* isolated, no site packages, writes no byte code, text is UTF-8 in every locale */
		"-I", "-S", "-B", "-X", "utf8",
	};
	const size_t fixed = sizeof interpreter / sizeof *interpreter;
	/* The program, all arguments after argv[0], and the NULL after them. */
	char **arguments = malloc((fixed + (size_t)argc + 2) * sizeof *arguments);
	if (arguments == NULL)
		fail("memory", memory_advice);
	memcpy(arguments, interpreter, sizeof interpreter);
	char **next = arguments + fixed;
	if (strcmp(name, "python") != 0) {
		if (asprintf(next, "%s/lib/%s.pyc", tree, name) < 0)
			fail("memory", memory_advice);
		next++;
	}
	for (int word = 1; word < argc; word++)
		*next++ = argv[word];
	*next = NULL;
	execv(loader, arguments);
	fail(loader, "copy the whole of /opt/imds-mock into the image");
}
