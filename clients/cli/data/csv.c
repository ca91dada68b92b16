// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/data/csv.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "clients/cli/common/number.h"

enum { CHUNK_BYTES = 1 << 16, FIELD_BYTES = 128 };

typedef struct reader {
    const char *path;
    gzFile file;
    unsigned char chunk[CHUNK_BYTES];
    size_t size, at;
    char separator;
    normd_csv_header header;

    char field[FIELD_BYTES]; /* the field that is being read; cut when longer */
    size_t field_size;
    size_t line;        /* from 1 */
    size_t field_line;  /* where the field began */
    size_t field_index; /* in its line, from 0 */
    bool first_done;    /* the first line was seen */
    bool first_is_text; /* it has a field that is no number */

    double *values;
    size_t count, capacity, rows, columns;
} reader;

/* The next byte, or -1 at the end; -2 when the file cannot be read. */
static int next_byte(reader *r)
{
    if (r->at == r->size) {
        int count = gzread(r->file, r->chunk, CHUNK_BYTES);
        if (count <= 0) {
            int failure;
            gzerror(r->file, &failure);
            /* A gzip file that was cut ends with Z_BUF_ERROR. */
            return count < 0 || (failure != Z_OK && failure != Z_STREAM_END) ? -2 : -1;
        }
        r->size = (size_t)count;
        r->at = 0;
    }
    return r->chunk[r->at++];
}

static void unread_byte(reader *r)
{
    r->at--;
}

static normd_status read_failure(reader *r, normd_error *error)
{
    int failure;
    const char *text = gzerror(r->file, &failure);
    if (failure == Z_ERRNO) {
        text = strerror(errno);
    } else if (failure == Z_BUF_ERROR) {
        text = "the gzip data ends too early";
    }
    return normd_error_set(error, NORMD_BAD_ARGUMENT, "%s: %s", r->path, text);
}

static normd_status push(reader *r, double value, normd_error *error)
{
    if (r->count == r->capacity) {
        size_t capacity = r->capacity == 0 ? 4096 : r->capacity * 2;
        double *grown = reallocarray(r->values, capacity, sizeof *grown);
        if (grown == NULL) {
            return normd_error_no_memory(error);
        }
        r->values = grown;
        r->capacity = capacity;
    }
    r->values[r->count++] = value;
    return NORMD_OK;
}

/* Reads one field into r->field; *ended tells what ended it: the separator, '\n', or -1. */
static normd_status read_field(reader *r, int *ended, normd_error *error)
{
    bool quoted = false;
    r->field_line = r->line;
    r->field_size = 0;
    for (;;) {
        int byte = next_byte(r);
        if (byte == -2) {
            return read_failure(r, error);
        }
        if (byte == -1 && quoted) {
            return normd_error_set(error, NORMD_BAD_ARGUMENT,
                "%s:%zu:%zu: the quote is never closed", r->path, r->field_line,
                r->field_index + 1);
        }
        if (quoted && byte == '"') {
            int after = next_byte(r);
            quoted = after == '"';
            if (!quoted) {
                if (after >= 0) {
                    unread_byte(r);
                }
                continue;
            }
        } else if (!quoted && byte == '"' && strspn(r->field, " \t") >= r->field_size) {
            quoted = true;
            r->field_size = 0;
            continue;
        } else if (!quoted && (byte == -1 || byte == '\n' || byte == r->separator)) {
            *ended = byte;
            return NORMD_OK;
        }
        r->line += byte == '\n';
        if (r->field_size < FIELD_BYTES - 1) {
            r->field[r->field_size++] = (char)byte;
        }
        r->field[r->field_size] = '\0';
    }
}

/* Cuts blanks (and the CR of a CRLF) off both ends; returns the start. */
static const char *trim(reader *r)
{
    const char *blanks = " \t\r";
    while (r->field_size > 0 && strchr(blanks, r->field[r->field_size - 1]) != NULL) {
        r->field_size--;
    }
    r->field[r->field_size] = '\0';
    return r->field + strspn(r->field, blanks);
}

/* Takes the field that was read: a number, or a word of a header. */
static normd_status take_field(reader *r, normd_error *error)
{
    const char *text = trim(r);
    double value = 0.0;
    bool cut = r->field_size == FIELD_BYTES - 1;
    bool number = !cut && normd_number_parse(text, &value);
    if (!r->first_done && r->header == NORMD_CSV_HEADER_YES) {
        number = true;
    }
    if (!number) {
        normd_error reason;
        normd_error_set(&reason, NORMD_BAD_ARGUMENT, "%s:%zu:%zu: expected a number, got %s%.40s%s",
            r->path, r->field_line, r->field_index + 1, *text == '\0' ? "an empty field" : "\"",
            text, *text == '\0' ? "" : "\"");
        if (r->first_done || r->header == NORMD_CSV_HEADER_NO) {
            *error = reason;
            return reason.status;
        }
        r->first_is_text = true;
    }
    r->field_index++;
    return push(r, value, error);
}

static normd_status end_line(reader *r, normd_csv *csv, normd_error *error)
{
    if (!r->first_done) {
        r->first_done = true;
        r->columns = r->field_index;
        if (r->header == NORMD_CSV_HEADER_YES || r->first_is_text) {
            csv->skipped_header = true;
            r->count = 0;
            return NORMD_OK;
        }
    }
    if (r->field_index != r->columns) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "%s:%zu: expected %zu fields as in the first line, got %zu", r->path, r->line,
            r->columns, r->field_index);
    }
    r->rows++;
    return NORMD_OK;
}

static normd_status read_lines(reader *r, normd_csv *csv, normd_error *error)
{
    int ended = 0;
    r->line = 1;
    while (ended != -1) {
        normd_status status = read_field(r, &ended, error);
        if (status != NORMD_OK) {
            return status;
        }
        bool empty_line = r->field_index == 0 && ended != r->separator && *trim(r) == '\0';
        if (!empty_line) {
            status = take_field(r, error);
            if (status == NORMD_OK && ended != r->separator) {
                status = end_line(r, csv, error);
            }
            if (status != NORMD_OK) {
                return status;
            }
        }
        if (ended == '\n') {
            r->line++;
            r->field_index = 0;
        }
    }
    return NORMD_OK;
}

/* Fills the first chunk, skips a byte order mark and finds the separator. */
static normd_status begin(reader *r, normd_error *error)
{
    int byte = next_byte(r);
    if (byte == -2) {
        return read_failure(r, error);
    }
    if (byte == -1) {
        return NORMD_OK;
    }
    unread_byte(r);
    if (r->size >= 6 && memcmp(r->chunk, "\x93NUMPY", 6) == 0) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "%s: expected a table of text, got a .npy file; give it as --x, its targets as --y",
            r->path);
    }
    if (r->size >= 4 && memcmp(r->chunk, "PK\x03\x04", 4) == 0) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "%s: expected a table of text, got a .npz or zip file; save its arrays as .npy and "
            "give them as --x and --y",
            r->path);
    }
    if (r->size >= 3 && memcmp(r->chunk, "\xef\xbb\xbf", 3) == 0) {
        r->at = 3;
    }
    for (size_t k = r->at; k < r->size && r->chunk[k] != '\n'; k++) {
        if (r->chunk[k] == ',' || r->chunk[k] == ';' || r->chunk[k] == '\t') {
            r->separator = (char)r->chunk[k];
            break;
        }
    }
    return NORMD_OK;
}

normd_status normd_csv_read(
    const char *path, normd_csv_header header, normd_csv *csv, normd_error *error)
{
    *csv = (normd_csv){.rows = 0};
    reader *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return normd_error_no_memory(error);
    }
    r->path = path;
    r->header = header;
    r->separator = ',';
    r->file = strcmp(path, "-") == 0 ? gzdopen(dup(STDIN_FILENO), "rb") : gzopen(path, "rb");
    normd_status status;
    if (r->file == NULL) {
        status = normd_error_set(error, NORMD_BAD_ARGUMENT, "%s: %s", path, strerror(errno));
    } else {
        status = begin(r, error);
        if (status == NORMD_OK) {
            status = read_lines(r, csv, error);
        }
        gzclose(r->file);
    }
    if (status == NORMD_OK && r->rows == 0) {
        status = normd_error_set(error, NORMD_BAD_ARGUMENT, "%s: no lines of numbers", path);
    }
    if (status == NORMD_OK) {
        csv->rows = r->rows;
        csv->columns = r->columns;
        csv->values = r->values;
    } else {
        free(r->values);
    }
    free(r);
    return status;
}

void normd_csv_free(normd_csv *csv)
{
    free(csv->values);
    *csv = (normd_csv){.rows = 0};
}
