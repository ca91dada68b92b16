// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/show/table.h"

#include <math.h>
#include <string.h>

#include "clients/cli/show/plot.h"

enum {
    LABEL_WIDTH = 9,
    LEAST_NAME_WIDTH = 12,
    HISTOGRAM_WIDTH = 16,
    LEAST_PROFILE_WIDTH = 10,
    MOST_PROFILE_WIDTH = 48
};

/* How numbers are set, and which columns stand side by side. */
typedef struct layout {
    int gap, least, digits;
    size_t first, last; /* columns [first, last) */
} layout;

static const layout wide = {.gap = 2, .least = 12, .digits = 5};
static const layout narrow = {.gap = 1, .least = 9, .digits = 3};

static int column_width(const normd_table *table, const layout *l, size_t column)
{
    int length = (int)table->name_length[column];
    return l->gap + (length > l->least ? length : l->least);
}

/* The end of the columns from `first` on that fit into a line; at least one does. */
static size_t columns_that_fit(
    const normd_table *table, const layout *l, size_t first, size_t width)
{
    size_t used = LABEL_WIDTH + (size_t)column_width(table, l, first);
    size_t last = first + 1;
    while (last < table->columns && used + (size_t)column_width(table, l, last) <= width) {
        used += (size_t)column_width(table, l, last++);
    }
    return last;
}

static void print_number(FILE *out, int width, int digits, double value)
{
    if (isfinite(value)) {
        fprintf(out, "%*.*g", width, digits, value);
    } else {
        fprintf(out, "%*s", width, isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
    }
}

static void print_head(FILE *out, const normd_table *table, const layout *l)
{
    fprintf(out, "%*s", LABEL_WIDTH, "feature");
    for (size_t c = l->first; c < l->last; c++) {
        int length = (int)table->name_length[c];
        fprintf(out, "%*s%.*s", column_width(table, l, c) - length, "", length, table->name[c]);
    }
    fputc('\n', out);
}

static void print_rows(
    FILE *out, const normd_table *table, const layout *l, size_t begin, size_t end)
{
    for (size_t row = begin; row < end; row++) {
        fprintf(out, "%*zu", LABEL_WIDTH, row);
        for (size_t c = l->first; c < l->last; c++) {
            print_number(out, column_width(table, l, c), l->digits, table->values[c][row]);
        }
        fputc('\n', out);
    }
    size_t left_out = table->rows - (end - begin);
    if (left_out > 0) {
        fprintf(out, "%*s  %zu %s; --features A:B chooses\n", LABEL_WIDTH, "...", left_out,
            begin < end ? "more" : "features, none of them chosen");
    }
}

static void print_summaries(FILE *out, const normd_table *table, const layout *l)
{
    static const char *const label[] = {"min", "median", "max"};
    normd_plot_summary summary[NORMD_TABLE_MAX_COLUMNS];
    for (size_t c = l->first; c < l->last; c++) {
        summary[c] = normd_plot_summarize(table->values[c], table->rows);
    }
    for (size_t k = 0; k < 3; k++) {
        fprintf(out, "%*s", LABEL_WIDTH, label[k]);
        for (size_t c = l->first; c < l->last; c++) {
            const double value[] = {summary[c].min, summary[c].median, summary[c].max};
            print_number(out, column_width(table, l, c), l->digits, value[k]);
        }
        fputc('\n', out);
    }
}

/* Narrower numbers when the terminal is too narrow, and several tables when it still is. */
static void print_values(
    FILE *out, const normd_table *table, size_t begin, size_t end, size_t width)
{
    layout l = columns_that_fit(table, &wide, 0, width) == table->columns ? wide : narrow;
    for (; l.first < table->columns; l.first = l.last) {
        l.last = columns_that_fit(table, &l, l.first, width);
        fputs(l.first > 0 ? "\n" : "", out);
        print_head(out, table, &l);
        print_rows(out, table, &l, begin, end);
        if (table->rows > 1) {
            print_summaries(out, table, &l);
        }
    }
}

static void print_plots(FILE *out, const normd_table *table, bool ascii, size_t width)
{
    char text[NORMD_PLOT_TEXT_BYTES];
    int name_width = LEAST_NAME_WIDTH;
    for (size_t c = 0; c < table->columns; c++) {
        int length = (int)table->name_length[c];
        name_width = length > name_width ? length : name_width;
    }
    /* The widths of the titles are the least widths of what stands below them. */
    const char *title = "how often, min to max";
    size_t used = (size_t)name_width + 6 + strlen(title);
    if (width < used + LEAST_PROFILE_WIDTH) {
        title = "how often";
        used = (size_t)name_width + 6 + HISTOGRAM_WIDTH;
    }
    size_t profile = width > used + LEAST_PROFILE_WIDTH ? width - used : LEAST_PROFILE_WIDTH;
    profile = profile < MOST_PROFILE_WIDTH ? profile : MOST_PROFILE_WIDTH;
    profile = profile < table->rows ? profile : table->rows;
    int second = profile > LEAST_PROFILE_WIDTH ? (int)profile : LEAST_PROFILE_WIDTH;
    fprintf(out, "\n  %*s  %-*s  %s\n", name_width, "", second, "by feature", title);
    for (size_t c = 0; c < table->columns; c++) {
        fprintf(out, "  %*s%.*s  ", name_width - (int)table->name_length[c], "",
            (int)table->name_length[c], table->name[c]);
        fputs(normd_plot_profile(table->values[c], table->rows, profile, ascii, text), out);
        fprintf(out, "%*s  ", second - (int)profile, "");
        fprintf(out, "%s\n",
            normd_plot_histogram(table->values[c], table->rows, HISTOGRAM_WIDTH, ascii, text));
    }
}

void normd_table_print(
    FILE *out, const normd_table *table, size_t begin, size_t end, bool ascii, size_t width)
{
    print_values(out, table, begin, end, width);
    if (table->rows > 1) {
        print_plots(out, table, ascii, width);
    }
}
