/* The file of a snapshot: a header, the pieces, and their contents.
 *
 * Header and pieces are checked, because they say where the contents go. The contents are not, as no other file of the tree is:
 * a sum of them would take 0.2 ms of each start.
 */
#define _GNU_SOURCE
#include "snapshot_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define UNREADABLE 71

/* The sum is of what is in front of it, and of the pieces. */
struct header {
	char program[sizeof PROGRAM_ID - 1];
	struct heap heap;
	size_t pieces, file_bytes;
	uint64_t sum;
};
_Static_assert(sizeof(struct header) == sizeof PROGRAM_ID - 1 + 5 * sizeof(uint64_t), "the header has no padding");

static struct iovec bytes_of(struct piece piece)
{
	return (struct iovec){(void *)(uintptr_t)piece.begin, piece.words * sizeof(uintptr_t)};
}

static uint64_t sum_of(const struct header *header, const struct piece *pieces)
{
	/* FNV-1a, by words. */
	uint64_t sum = 0xcbf29ce484222325;
	const uint64_t *word = (const uint64_t *)header, *end = &header->sum;
	for (int part = 0; part < 2; part++) {
		for (; word < end; word++)
			sum = (sum ^ *word) * 0x100000001b3;
		word = (const uint64_t *)pieces;
		end = (const uint64_t *)(pieces + header->pieces);
	}
	return sum;
}

static bool put(int file, const void *bytes, size_t count)
{
	return write(file, bytes, count) == (ssize_t)count;
}

bool snapshot_file_write(const char *path, struct heap heap, const struct piece *pieces, size_t count)
{
	const size_t table_bytes = count * sizeof *pieces;
	struct header header = {.heap = heap, .pieces = count, .file_bytes = sizeof header + table_bytes};
	memcpy(header.program, PROGRAM_ID, sizeof header.program);
	for (size_t number = 0; number < count; number++)
		header.file_bytes += bytes_of(pieces[number]).iov_len;
	header.sum = sum_of(&header, pieces);
	const int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	bool written = file >= 0 && put(file, &header, sizeof header) && put(file, pieces, table_bytes);
	for (size_t number = 0; written && number < count; number++) {
		const struct iovec part = bytes_of(pieces[number]);
		written = put(file, part.iov_base, part.iov_len);
	}
	return written && close(file) == 0;
}

/* Reads all parts, or as much of them as there is; returns the number of bytes. A file system may return less at once. */
static size_t read_parts(int file, struct iovec *part, size_t count, off_t from)
{
	const off_t begin = from;
	errno = 0;
	while (count > 0) {
		const ssize_t bytes = preadv(file, part, (int)count, from);
		if (bytes < 0 && errno == EINTR)
			continue;
		if (bytes <= 0)
			break;
		from += bytes;
		size_t left = (size_t)bytes;
		for (; count > 0 && left >= part->iov_len; part++, count--)
			left -= part->iov_len;
		if (count > 0)
			*part = (struct iovec){(char *)part->iov_base + left, part->iov_len - left};
	}
	return (size_t)(from - begin);
}

static bool read_at(int file, void *memory, size_t bytes, off_t from)
{
	return read_parts(file, &(struct iovec){memory, bytes}, 1, from) == bytes;
}

/* Returns the pieces of a whole snapshot of this program, or NULL. */
static struct piece *read_table(int file, struct header *header)
{
	struct stat about;
	if (fstat(file, &about) != 0 || !S_ISREG(about.st_mode) || !read_at(file, header, sizeof *header, 0) ||
	    memcmp(header->program, PROGRAM_ID, sizeof header->program) != 0 ||
	    (size_t)about.st_size != header->file_bytes || header->pieces > header->file_bytes / sizeof(struct piece))
		return NULL;
	const size_t bytes = header->pieces * sizeof(struct piece);
	struct piece *table = malloc(bytes);
	if (table != NULL && read_at(file, table, bytes, sizeof *header) && header->sum == sum_of(header, table))
		return table;
	free(table);
	return NULL;
}

/* Reads the contents of all pieces, or as much of them as there is; returns the number of bytes. */
static size_t read_contents(int file, const struct piece *piece, size_t count, off_t from)
{
	const off_t begin = from;
	struct iovec parts[IOV_MAX];
	while (count > 0) {
		size_t number = 0, bytes = 0;
		for (; number < count && number < IOV_MAX; number++) {
			parts[number] = bytes_of(piece[number]);
			bytes += parts[number].iov_len;
		}
		const size_t done = read_parts(file, parts, number, from);
		from += (off_t)done;
		if (done < bytes)
			break;
		piece += number;
		count -= number;
	}
	return (size_t)(from - begin);
}

static bool restore(int file, const char *path)
{
	struct header header;
	struct piece *table = read_table(file, &header);
	if (table == NULL)
		return false;
	size_t done = 0;
	if (region_map((size_t)(header.heap.end - header.heap.begin))) {
		const size_t contents = sizeof header + header.pieces * sizeof *table;
		done = read_contents(file, table, header.pieces, (off_t)contents);
		if (done > 0 && done < header.file_bytes - contents) {
			/* There is no way back: some variables have changed. */
			fprintf(stderr, "imds-shim: cannot start: %s: %s; copy the whole of /opt/imds-shim into the image\n", path,
				errno == 0 ? "it ends too early" : strerror(errno));
			_exit(UNREADABLE);
		}
	}
	free(table);
	return done > 0;
}

bool snapshot_file_read(const char *path)
{
	/* Does not wait if it is a named pipe. */
	const int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (file < 0)
		return false;
	const bool restored = restore(file, path);
	close(file);
	return restored;
}
