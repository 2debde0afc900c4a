/* The file of a snapshot. */
#ifndef SNAPSHOT_FILE_H
#define SNAPSHOT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory.h"

/* Words of this program: where they are, and how many. A table has thousands of pieces, so one takes 8 bytes. */
struct piece {
	uint64_t begin : 48, words : 16;
};
#define MOST_WORDS UINT16_MAX

/* Writes the pieces to a new file. Returns whether that succeeds. */
bool snapshot_file_write(const char *path, struct heap heap, const struct piece *pieces, size_t count);

/* Maps the region and reads all pieces to where they were. Returns false, and has changed nothing, if the file is not a snapshot
 * of this very program or the kernel does not grant the address. Exits with a message if the file cannot be read to its end. */
bool snapshot_file_read(const char *path);

#endif
