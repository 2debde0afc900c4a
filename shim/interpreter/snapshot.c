/* A snapshot contains
 *
 *   variables   of the program and of CPython, at addresses that the linker has fixed: the words that have changed
 *   memory      of CPython with all its objects, in a region at a fixed address (memory.c)
 *
 * Neither may refer to what a kernel places anywhere: libraries, the stack, the C library's own memory. That is so because
 * extension modules are loaded after a snapshot is restored; `snapshot_write` checks every word. What depends on the process is
 * made again as in the child of a fork.
 */
#define _GNU_SOURCE
#define Py_BUILD_CORE 1
#include "snapshot.h"

#include "memory.h"
#include "snapshot_file.h"

#include <internal/pycore_runtime.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* So many zeros between two changes are written with them: a piece more would make a start slower than it makes the file
 * smaller. */
#define LONGEST_GAP 4

/* The first and the end of the program's variables, as C's start-up code and the linker call them. */
extern char data_start[], _end[];
/* CPython's pointer to the thread that runs. */
extern _Thread_local PyThreadState *_Py_tss_tstate;

static PyThreadState *thread;
static PyObject *entry_point;
static bool preparing;

/* While a snapshot is prepared, the thread has an identity that is the same in each build: Python makes numbers of it. */
#define PREPARING_THREAD ((pthread_t)1)

pthread_t __real_pthread_self(void);

pthread_t __wrap_pthread_self(void)
{
	return preparing ? PREPARING_THREAD : __real_pthread_self();
}

static void fail(const char *why)
{
	fprintf(stderr, "no snapshot: %s\n", why);
	exit(1);
}

/* What is known while a snapshot is written. It must not be in it, so it is in the C library's memory. */
struct snapshot {
	/* The variables, and a copy from before CPython changed them. */
	uintptr_t *begin, *end, *before;
	/* Memory that the kernel has placed. */
	struct range {
		unsigned long begin, end;
		char name[128];
	} placed[256];
	size_t placed_count;
	struct piece *pieces;
	size_t piece_count;
};

struct snapshot *snapshot_prepare(void)
{
	const uintptr_t mask = ~(uintptr_t)(sizeof(uintptr_t) - 1);
	struct snapshot *snapshot = calloc(1, sizeof *snapshot);
	if (snapshot == NULL)
		fail("not enough memory");
	snapshot->begin = (uintptr_t *)(((uintptr_t)data_start + ~mask) & mask);
	snapshot->end = (uintptr_t *)((uintptr_t)_end & mask);
	const size_t bytes = (size_t)((char *)snapshot->end - (char *)snapshot->begin);
	snapshot->before = malloc(bytes);
	if (snapshot->before == NULL)
		fail("not enough memory");
	memcpy(snapshot->before, snapshot->begin, bytes);
	if (!heap_begin())
		fail("the address of its memory is taken");
	preparing = true;
	return snapshot;
}

static void find_placed(struct snapshot *snapshot, struct heap heap)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	if (maps == NULL)
		fail("/proc/self/maps cannot be read");
	char line[4096 + 128];
	while (fgets(line, sizeof line, maps) != NULL) {
		struct range range = {.name = "unnamed memory"};
		if (sscanf(line, "%lx-%lx %*s %*s %*s %*s %127[^\n]", &range.begin, &range.end, range.name) < 2)
			fail("/proc/self/maps has an unknown format");
		if (range.begin <= (uintptr_t)_end || range.begin == (uintptr_t)heap.begin)
			continue;
		if (snapshot->placed_count == sizeof snapshot->placed / sizeof *snapshot->placed)
			fail("/proc/self/maps has too many lines");
		snapshot->placed[snapshot->placed_count++] = range;
	}
	fclose(maps);
}

static void check_word(const struct snapshot *snapshot, const uintptr_t *word)
{
	for (size_t number = 0; number < snapshot->placed_count; number++)
		if (*word >= snapshot->placed[number].begin && *word < snapshot->placed[number].end) {
			fprintf(stderr, "no snapshot: %p refers to %s, which has another address in each process. Import extension modules"
				" later, not in boot/imports.py\n", (const void *)word, snapshot->placed[number].name);
			exit(1);
		}
}

/* Adds what has changed; `before` is NULL for memory that was zero. Other words that have not changed must not be in the file:
 * in the process that restores it, the loader and memory.c may have set them to something else. */
static void add_changes(struct snapshot *snapshot, const uintptr_t *begin, const uintptr_t *end, const uintptr_t *before)
{
	struct piece *last = NULL;
	const uintptr_t *last_end = begin;
	for (const uintptr_t *word = begin; word < end; word++) {
		if (*word == (before == NULL ? 0 : before[word - begin])) {
			if (*word != 0)
				last = NULL;
			continue;
		}
		check_word(snapshot, word);
		if (last == NULL || word - last_end > LONGEST_GAP || last->words > MOST_WORDS - LONGEST_GAP - 1) {
			const size_t bytes = (snapshot->piece_count + 1) * sizeof *last;
			snapshot->pieces = realloc(snapshot->pieces, bytes);
			if (snapshot->pieces == NULL)
				fail("not enough memory");
			last = &snapshot->pieces[snapshot->piece_count++];
			*last = (struct piece){.begin = (uintptr_t)word};
			last_end = word;
		}
		last->words += (uint64_t)(word + 1 - last_end);
		last_end = word + 1;
	}
}

void snapshot_write(struct snapshot *snapshot, const char *path, PyObject *entry)
{
	thread = PyThreadState_Get();
	entry_point = entry;
	preparing = false;
	/* The identity of this process, and what is left of the frames of functions. */
	thread->thread_id = 0;
	thread->native_thread_id = 0;
	_PyRuntime.main_thread = 0;
	/* Depends on the model of the processor, and is used by faulthandler.enable() alone. */
	_PyRuntime.faulthandler.stack.ss_size = 0;
	memset(thread->datastack_top, 0, (size_t)((char *)thread->datastack_limit - (char *)thread->datastack_top));
	const struct heap heap = heap_finish();
	find_placed(snapshot, heap);
	add_changes(snapshot, snapshot->begin, snapshot->end, snapshot->before);
	add_changes(snapshot, (uintptr_t *)heap.begin, (uintptr_t *)heap.end, NULL);

	if (!snapshot_file_write(path, heap, snapshot->pieces, snapshot->piece_count))
		fail("the file cannot be written");
}

PyObject *snapshot_restore(const char *path)
{
	if (!snapshot_file_read(path))
		return NULL;
	_Py_tss_tstate = thread;
	thread->thread_id = PyThread_get_thread_ident();
	/* Threads, locks and all that depends on the process are made again. */
	PyOS_BeforeFork();
	PyOS_AfterFork_Child();
	PyThread_tss_set(&_PyRuntime.autoTSSkey, thread);
	return entry_point;
}
