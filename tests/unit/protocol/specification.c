// SPDX-License-Identifier: Apache-2.0
/* PROTOCOL.md says what the code does: methods, fields, codes, limits and bytes. */
#include "tests/unit/cmocka_headers.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/protocol/support/vectors.h"

static int read_specification(void **state)
{
    FILE *file = fopen(NORMD_SPECIFICATION_FILE, "r");
    assert_non_null(file);
    char *text = NULL;
    size_t size = 0;
    FILE *copy = open_memstream(&text, &size);
    for (int byte = getc(file); byte != EOF; byte = getc(file)) {
        putc(byte, copy);
    }
    fclose(copy);
    fclose(file);
    *state = text;
    return 0;
}

static int free_specification(void **state)
{
    free(*state);
    return 0;
}

/* The text under a method's heading, up to the next heading; to be freed. */
static char *method_section(const char *text, const normd_method *method)
{
    char heading[64];
    snprintf(heading, sizeof heading, "\n### `%s`\n", method->name);
    const char *begin = strstr(text, heading);
    if (begin == NULL) {
        fail_msg("no section %s", method->name);
    }
    begin += strlen(heading);
    const char *end = strstr(begin, "\n##");
    return strndup(begin, (size_t)(end - begin));
}

static const char *kind_word(normd_kind kind)
{
    switch (kind) {
    case NORMD_KIND_STRING:
        return "string";
    case NORMD_KIND_BOOL:
        return "bool";
    case NORMD_KIND_UINT:
        return "uint";
    case NORMD_KIND_ARRAY:
        return "array";
    case NORMD_KIND_BYTES:
        return "bytes";
    case NORMD_KIND_TREE:
        return "tree";
    }
    return "";
}

static size_t count_of(const char *text, const char *what)
{
    size_t count = 0;
    for (const char *at = strstr(text, what); at != NULL; at = strstr(at + 1, what)) {
        count++;
    }
    return count;
}

static void every_method_and_field_is_specified(void **state)
{
    for (int i = 0; i < NORMD_METHOD_COUNT; i++) {
        const normd_method *method = normd_method_get((normd_method_id)i);
        char *section = method_section(*state, method);
        assert_int_equal(count_of(section, "\n| `"), method->field_count);
        for (size_t k = 0; k < method->field_count; k++) {
            const normd_field *field = &method->fields[k];
            char row[64];
            snprintf(row, sizeof row, "\n| `%s` | %s | ", field->name, kind_word(field->kind));
            const char *found = strstr(section, row);
            if (found == NULL) {
                fail_msg("%s: no row %s", method->name, row);
            } else if ((strncmp(found + strlen(row), "required |", 10) == 0) != field->required) {
                fail_msg("%s: required is wrong in %s", method->name, row);
            }
        }
        free(section);
    }
    assert_int_equal(count_of(*state, "\n### `"), NORMD_METHOD_COUNT);
}

/* The paragraph that lists the methods which take `client` and `seq`. */
static void every_mutation_is_listed(void **state)
{
    const char *begin = strstr(*state, "\nThe mutations are ");
    assert_non_null(begin);
    const char *end = strchr(begin + 1, '.');
    while (end[1] != ' ') { /* not a point inside a name */
        end = strchr(end + 1, '.');
    }
    char *list = strndup(begin, (size_t)(end - begin));
    size_t listed = 0;
    for (int i = 0; i < NORMD_METHOD_COUNT; i++) {
        const normd_method *method = normd_method_get((normd_method_id)i);
        char quoted[64];
        snprintf(quoted, sizeof quoted, "`%s`", method->name);
        assert_int_equal(strstr(list, quoted) != NULL, method->mutates);
        listed += method->mutates;
    }
    assert_int_equal(count_of(list, "`"), 2 * listed);
    free(list);
}

static void every_code_is_specified(void **state)
{
    static const normd_status codes[] = {
#define CODE(name, number, meaning) NORMD_##name,
        NORMD_STATUS_MAP(CODE)
#undef CODE
    };
    for (size_t i = 1; i < sizeof codes / sizeof *codes; i++) {
        char row[64];
        snprintf(row, sizeof row, "\n| `%s` | ", normd_status_name(codes[i]));
        if (strstr(*state, row) == NULL) {
            fail_msg("no row %s", row);
        }
    }
}

/* "1,073,741,824" */
static void format_thousands(uint64_t value, char *text)
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, value);
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) {
            *text++ = ',';
        }
        *text++ = digits[i];
    }
    *text = '\0';
}

static void the_default_limits_are_specified(void **state)
{
    const normd_limits limits = NORMD_LIMITS_DEFAULT;
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"`message_bytes`", limits.message_bytes},
        {"`head_bytes`", limits.head_bytes},
        {"`elements`", limits.elements},
        {"`depth`", limits.depth},
        {"`payload_bytes`", limits.payload_bytes},
        {"", NORMD_MAX_PAYLOADS},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char value[40];
        char row[96];
        format_thousands(rows[i].value, value);
        snprintf(row, sizeof row, "\n| %s%s| %s |", rows[i].name, *rows[i].name ? " " : "", value);
        if (strstr(*state, row) == NULL) {
            fail_msg("no row %s", row);
        }
    }
}

static bool is_hex_pair(const char *at)
{
    return strspn(at, "0123456789abcdef") == 2 && (at[2] == ' ' || at[2] == '\n');
}

/* The bytes at the starts of the lines of a block of code. */
static size_t block_bytes(const char *block, uint8_t *bytes, size_t most)
{
    size_t count = 0;
    for (const char *line = block; strncmp(line, "```", 3) != 0; line = strchr(line, '\n') + 1) {
        for (const char *at = line; is_hex_pair(at) && count < most; at += 3) {
            bytes[count++] = (uint8_t)strtoul(at, NULL, 16);
            if (at[2] == '\n') {
                break;
            }
        }
    }
    return count;
}

static void the_examples_are_vectors(void **state)
{
    static const char *const names[] = {"the request in PROTOCOL.md", "the answer in PROTOCOL.md"};
    size_t count;
    test_vector *vectors = test_vectors_read(&count);
    const char *block = *state;
    size_t found = 0;
    for (size_t k = 0; k < 2; k++) {
        block = strstr(block, "```\n94 ") + 4;
        uint8_t bytes[128];
        size_t size = block_bytes(block, bytes, sizeof bytes);
        for (size_t i = 0; i < count; i++) {
            if (strcmp(vectors[i].name, names[k]) == 0) {
                assert_int_equal(size, vectors[i].size);
                assert_memory_equal(bytes, vectors[i].bytes, size);
                found++;
                char length[48];
                snprintf(length, sizeof length, "these %zu bytes:", size);
                assert_non_null(strstr(*state, length));
            }
        }
    }
    assert_int_equal(found, 2);
    test_vectors_free(vectors, count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_method_and_field_is_specified),
        cmocka_unit_test(every_mutation_is_listed),
        cmocka_unit_test(every_code_is_specified),
        cmocka_unit_test(the_default_limits_are_specified),
        cmocka_unit_test(the_examples_are_vectors),
    };
    return cmocka_run_group_tests(tests, read_specification, free_specification);
}
