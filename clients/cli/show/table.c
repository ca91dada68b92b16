// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/show/table.h"

#include <math.h>

#include "clients/cli/show/plot.h"

enum { LABEL_WIDTH = 9, LEAST_WIDTH = 12, HISTOGRAM_WIDTH = 16, MOST_PROFILE_WIDTH = 48 };

static int column_width(const normd_table *table, size_t column)
{
    size_t length = table->name_length[column];
    return 2 + (int)(length > LEAST_WIDTH ? length : LEAST_WIDTH);
}

static void print_number(FILE *out, int width, double value)
{
    if (isfinite(value)) {
        fprintf(out, "%*.5g", width, value);
    } else {
        fprintf(out, "%*s", width, isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
    }
}

static void print_head(FILE *out, const normd_table *table)
{
    fprintf(out, "%*s", LABEL_WIDTH, "feature");
    for (size_t c = 0; c < table->columns; c++) {
        int length = (int)table->name_length[c];
        fprintf(out, "%*s%.*s", column_width(table, c) - length, "", length, table->name[c]);
    }
    fputc('\n', out);
}

static void print_rows(FILE *out, const normd_table *table, size_t begin, size_t end)
{
    for (size_t row = begin; row < end; row++) {
        fprintf(out, "%*zu", LABEL_WIDTH, row);
        for (size_t c = 0; c < table->columns; c++) {
            print_number(out, column_width(table, c), table->values[c][row]);
        }
        fputc('\n', out);
    }
    size_t left_out = table->rows - (end - begin);
    if (left_out > 0) {
        fprintf(out, "%*s  %zu more; --features A:B chooses\n", LABEL_WIDTH, "...", left_out);
    }
}

static void print_summaries(FILE *out, const normd_table *table)
{
    static const char *const label[] = {"min", "median", "max"};
    normd_plot_summary summary[NORMD_TABLE_MAX_COLUMNS];
    for (size_t c = 0; c < table->columns; c++) {
        summary[c] = normd_plot_summarize(table->values[c], table->rows);
    }
    for (size_t k = 0; k < 3; k++) {
        fprintf(out, "%*s", LABEL_WIDTH, label[k]);
        for (size_t c = 0; c < table->columns; c++) {
            const double value[] = {summary[c].min, summary[c].median, summary[c].max};
            print_number(out, column_width(table, c), value[k]);
        }
        fputc('\n', out);
    }
}

static void print_plots(FILE *out, const normd_table *table, bool ascii, size_t width)
{
    char text[NORMD_PLOT_TEXT_BYTES];
    int name_width = LEAST_WIDTH;
    for (size_t c = 0; c < table->columns; c++) {
        int length = (int)table->name_length[c];
        name_width = length > name_width ? length : name_width;
    }
    size_t used = (size_t)name_width + HISTOGRAM_WIDTH + 10;
    size_t profile = width > used + 8 ? width - used : 8;
    profile = profile < MOST_PROFILE_WIDTH ? profile : MOST_PROFILE_WIDTH;
    profile = profile < table->rows ? profile : table->rows;
    int second = profile > 10 ? (int)profile : 10;
    fprintf(
        out, "\n  %*s  %-*s  %s\n", name_width, "", second, "by feature", "how often, min to max");
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
    print_head(out, table);
    print_rows(out, table, begin, end);
    if (table->rows > 1) {
        print_summaries(out, table);
        print_plots(out, table, ascii, width);
    }
}
