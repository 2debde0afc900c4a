/* Memory of the interpreter.
 *
 * Python's objects are in a region at a fixed address if the kernel grants it, in huge pages: a page fault for each 4 kB takes a
 * tenth of a start. While a snapshot is prepared, everything else that the program would get from the C library is in
 * the region, too. The linker sends these calls here (--wrap); those of the libraries stay with the C library.
 */
#define _GNU_SOURCE
#include "memory.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* 64 GiB: above the program and its heap, and below all that the kernel places, on every processor. */
#define REGION ((char *)0x1000000000)
#define HUGE_PAGE ((size_t)2 << 20)
#define RECORDED_BYTES (32 * HUGE_PAGE)
#define ALIGNMENT ((size_t)16)

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *memory, size_t bytes);
void __real_free(void *memory);

static char *used_end = REGION, *region_end = REGION;
static bool recording;

static size_t rounded(size_t bytes, size_t unit)
{
	return (bytes + unit - 1) & ~(unit - 1);
}

bool region_map(size_t bytes)
{
	const size_t total = rounded(bytes, HUGE_PAGE);
	const int how = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
	char *memory = mmap(REGION, total, PROT_READ | PROT_WRITE, how, -1, 0);
	if (memory != REGION) {
		/* Kernels before 4.17 take the address as a wish. */
		if (memory != MAP_FAILED)
			munmap(memory, total);
		return false;
	}
	madvise(REGION, total, MADV_HUGEPAGE);
	region_end = REGION + total;
	return true;
}

static bool in_region(const void *memory)
{
	return (const char *)memory >= REGION && (const char *)memory < region_end;
}

/* Returns the next bytes of the region, or NULL if it is full. */
static void *extend(size_t bytes)
{
	if (bytes > (size_t)(region_end - used_end))
		return NULL;
	void *taken = used_end;
	used_end += rounded(bytes, ALIGNMENT);
	return taken;
}

void *allocate_arena(void *context, size_t size)
{
	(void)context;
	void *arena = extend(size);
	if (arena != NULL)
		return arena;
	arena = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return arena == MAP_FAILED ? NULL : arena;
}

void free_arena(void *context, void *arena, size_t size)
{
	(void)context;
	if (!in_region(arena))
		munmap(arena, size);
}

/* In front of each block; free blocks are in a list ordered by address. */
struct block {
	size_t bytes;
	struct block *next;
};
_Static_assert(sizeof(struct block) == ALIGNMENT, "memory keeps its alignment");

static struct block *free_blocks;

static void *take(size_t bytes)
{
	if (bytes > RECORDED_BYTES)
		return NULL;
	bytes = rounded(bytes, ALIGNMENT);
	struct block **link = &free_blocks, *found;
	while ((found = *link) != NULL && found->bytes < bytes)
		link = &found->next;
	if (found == NULL) {
		found = extend(sizeof *found + bytes);
		if (found == NULL)
			return NULL;
		found->bytes = bytes;
	} else if (found->bytes > bytes + sizeof *found) {
		struct block *rest = (struct block *)((char *)(found + 1) + bytes);
		*rest = (struct block){found->bytes - bytes - sizeof *rest, found->next};
		*link = rest;
		found->bytes = bytes;
	} else {
		*link = found->next;
	}
	found->next = NULL;
	return found + 1;
}

static void merge_with_next(struct block *one)
{
	struct block *next = one->next;
	if (next != NULL && (char *)(one + 1) + one->bytes == (char *)next) {
		one->bytes += sizeof *next + next->bytes;
		one->next = next->next;
		*next = (struct block){0};
	}
}

static void give_back(void *memory)
{
	struct block *freed = (struct block *)memory - 1, *before = NULL, **link = &free_blocks;
	/* A snapshot does not contain zeros. */
	memset(memory, 0, freed->bytes);
	while (*link != NULL && *link < freed) {
		before = *link;
		link = &before->next;
	}
	freed->next = *link;
	*link = freed;
	merge_with_next(freed);
	if (before != NULL)
		merge_with_next(before);
}

void *__wrap_malloc(size_t bytes)
{
	return recording ? take(bytes) : __real_malloc(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
	size_t total;
	if (!recording)
		return __real_calloc(count, bytes);
	/* Memory of the region is zero. */
	return __builtin_mul_overflow(count, bytes, &total) ? NULL : take(total);
}

void __wrap_free(void *memory)
{
	if (!in_region(memory))
		__real_free(memory);
	else if (recording)
		give_back(memory);
}

void *__wrap_realloc(void *memory, size_t bytes)
{
	if (!in_region(memory))
		return memory == NULL ? __wrap_malloc(bytes) : __real_realloc(memory, bytes);
	const size_t before = ((struct block *)memory - 1)->bytes;
	if (bytes <= before)
		return memory;
	void *moved = __wrap_malloc(bytes);
	if (moved != NULL) {
		memcpy(moved, memory, before);
		__wrap_free(memory);
	}
	return moved;
}

bool heap_begin(void)
{
	recording = region_map(RECORDED_BYTES);
	return recording;
}

struct heap heap_finish(void)
{
	recording = false;
	free_blocks = NULL;
	/* As at the start of the program: a snapshot must not contain it. */
	region_end = REGION;
	return (struct heap){REGION, used_end};
}
