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

#include <errno.h>
#include <fcntl.h>
#include <internal/pycore_runtime.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* So many equal bytes between two changes are written with them, because a piece takes 16 bytes. */
#define LONGEST_GAP 32
#define UNREADABLE 71

struct piece {
	char *begin;
	size_t bytes;
};

/* In the file, the pieces follow, and then their contents. */
struct header {
	char program[sizeof PROGRAM_ID];
	struct heap heap;
	size_t pieces, file_bytes;
};

/* The first and the end of the program's variables, as C's start-up code and the linker call them. */
extern char data_start[], _end[];
/* CPython's pointer to the thread that runs. */
extern _Thread_local PyThreadState *_Py_tss_tstate;

static PyThreadState *thread;
static PyObject *entry_point;

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
		uintptr_t begin, end;
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
	return snapshot;
}

static void find_placed(struct snapshot *snapshot, struct heap heap)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	if (maps == NULL)
		fail("/proc/self/maps cannot be read");
	unsigned long begin, end;
	while (fscanf(maps, "%lx-%lx%*[^\n]", &begin, &end) == 2) {
		if (begin <= (uintptr_t)_end || begin == (uintptr_t)heap.begin)
			continue;
		if (snapshot->placed_count == sizeof snapshot->placed / sizeof *snapshot->placed)
			fail("/proc/self/maps has too many lines");
		snapshot->placed[snapshot->placed_count++] = (struct range){begin, end};
	}
	fclose(maps);
}

static void check_word(const struct snapshot *snapshot, const uintptr_t *word)
{
	for (size_t number = 0; number < snapshot->placed_count; number++)
		if (*word >= snapshot->placed[number].begin && *word < snapshot->placed[number].end) {
			fprintf(stderr, "%p: %lx\n", (const void *)word, (unsigned long)*word);
			fail("it would refer to memory that belongs to this process alone");
		}
}

/* Adds what has changed; `before` is NULL for memory that was zero. */
static void add_changes(struct snapshot *snapshot, const uintptr_t *begin, const uintptr_t *end, const uintptr_t *before)
{
	struct piece *last = NULL;
	for (const uintptr_t *word = begin; word < end; word++) {
		if (*word == (before == NULL ? 0 : before[word - begin]))
			continue;
		check_word(snapshot, word);
		if (last == NULL || (char *)word - (last->begin + last->bytes) > LONGEST_GAP) {
			const size_t bytes = (snapshot->piece_count + 1) * sizeof *last;
			snapshot->pieces = realloc(snapshot->pieces, bytes);
			if (snapshot->pieces == NULL)
				fail("not enough memory");
			last = &snapshot->pieces[snapshot->piece_count++];
			last->begin = (char *)word;
		}
		last->bytes = (size_t)((char *)(word + 1) - last->begin);
	}
}

static void put(int file, const void *bytes, size_t count)
{
	if (write(file, bytes, count) != (ssize_t)count)
		fail("the file cannot be written");
}

void snapshot_write(struct snapshot *snapshot, const char *path, PyObject *entry)
{
	thread = PyThreadState_Get();
	entry_point = entry;
	/* The identity of this process, and what is left of the frames of functions. */
	thread->thread_id = 0;
	thread->native_thread_id = 0;
	_PyRuntime.main_thread = 0;
	memset(thread->datastack_top, 0, (size_t)((char *)thread->datastack_limit - (char *)thread->datastack_top));
	const struct heap heap = heap_finish();
	find_placed(snapshot, heap);
	add_changes(snapshot, snapshot->begin, snapshot->end, snapshot->before);
	add_changes(snapshot, (uintptr_t *)heap.begin, (uintptr_t *)heap.end, NULL);

	const size_t table_bytes = snapshot->piece_count * sizeof *snapshot->pieces;
	struct header header = {PROGRAM_ID, heap, snapshot->piece_count, sizeof header + table_bytes};
	for (size_t number = 0; number < header.pieces; number++)
		header.file_bytes += snapshot->pieces[number].bytes;
	const int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (file < 0)
		fail("the file cannot be created");
	put(file, &header, sizeof header);
	put(file, snapshot->pieces, table_bytes);
	for (size_t number = 0; number < header.pieces; number++)
		put(file, snapshot->pieces[number].begin, snapshot->pieces[number].bytes);
}

/* Returns the pieces of a whole snapshot of this program, or NULL. */
static struct piece *read_table(int file, struct header *header)
{
	struct stat about;
	if (fstat(file, &about) != 0 || pread(file, header, sizeof *header, 0) != (ssize_t)sizeof *header ||
	    memcmp(header->program, PROGRAM_ID, sizeof PROGRAM_ID) != 0 || (size_t)about.st_size != header->file_bytes)
		return NULL;
	const size_t bytes = header->pieces * sizeof(struct piece);
	struct piece *table = malloc(bytes);
	if (table != NULL && pread(file, table, bytes, sizeof *header) == (ssize_t)bytes)
		return table;
	free(table);
	return NULL;
}

static bool read_contents(int file, const struct piece *piece, size_t count, off_t from)
{
	struct iovec parts[IOV_MAX];
	while (count > 0) {
		size_t number = 0, bytes = 0;
		for (; number < count && number < IOV_MAX; number++) {
			parts[number] = (struct iovec){piece[number].begin, piece[number].bytes};
			bytes += piece[number].bytes;
		}
		if (preadv(file, parts, (int)number, from) != (ssize_t)bytes)
			return false;
		piece += number;
		count -= number;
		from += (off_t)bytes;
	}
	return true;
}

static bool restore(int file, const char *path)
{
	struct header header;
	struct piece *table = read_table(file, &header);
	if (table == NULL)
		return false;
	if (!region_map((size_t)(header.heap.end - header.heap.begin))) {
		free(table);
		return false;
	}
	const off_t contents = (off_t)(sizeof header + header.pieces * sizeof *table);
	if (!read_contents(file, table, header.pieces, contents)) {
		/* There is no way back: some variables have changed. */
		fprintf(stderr, "imds-shim: cannot start: %s cannot be read: %s\n", path, strerror(errno));
		_exit(UNREADABLE);
	}
	free(table);
	return true;
}

PyObject *snapshot_restore(const char *path)
{
	const int file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return NULL;
	const bool restored = restore(file, path);
	close(file);
	if (!restored)
		return NULL;
	_Py_tss_tstate = thread;
	thread->thread_id = PyThread_get_thread_ident();
	/* Threads, locks and all that depends on the process are made again. */
	PyOS_BeforeFork();
	PyOS_AfterFork_Child();
	PyThread_tss_set(&_PyRuntime.autoTSSkey, thread);
	return entry_point;
}
