/* Memory of the interpreter, at a fixed address. */
#ifndef MEMORY_H
#define MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* Maps the region, with space for at least so many bytes. Returns whether the kernel grants the address. */
bool region_map(size_t bytes);

/* From now on, all memory of the program is in the region. Returns whether the kernel grants the address. */
bool heap_begin(void);

/* The used part of the region. */
struct heap {
	char *begin, *end;
};

/* Ends this. What is in the region stays there, and is not used again. */
struct heap heap_finish(void);

/* Memory for Python's objects, as in PyObjectArenaAllocator. */
void *allocate_arena(void *context, size_t size);
void free_arena(void *context, void *arena, size_t size);

#endif
