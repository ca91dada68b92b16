// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_CLIENTS_CLI_SHOW_PLOT_H
#define NORMD_CLIENTS_CLI_SHOW_PLOT_H

#include <stdbool.h>
#include <stddef.h>

/* Small plots in one line of text: a column a bucket, eight heights in Unicode blocks, or in ASCII
   characters of growing weight. */
enum { NORMD_PLOT_MAX_WIDTH = 128, NORMD_PLOT_TEXT_BYTES = 4 * NORMD_PLOT_MAX_WIDTH + 1 };

/* `values` in their order, each column the mean of its neighbours; as many columns as values when
   they are fewer than `width`. The lowest value has the lowest mark. Returns `text`. */
const char *normd_plot_profile(const double *values, size_t count, size_t width, bool ascii,
    char text[static NORMD_PLOT_TEXT_BYTES]);

/* How often values fall into each of `width` equal parts of [min, max]; empty parts are blank.
   Values that are not finite are left out. Returns `text`. */
const char *normd_plot_histogram(const double *values, size_t count, size_t width, bool ascii,
    char text[static NORMD_PLOT_TEXT_BYTES]);

/* A bar that is filled up to `share` in [0, 1]. Returns `text`. */
const char *normd_plot_bar(
    double share, size_t width, bool ascii, char text[static NORMD_PLOT_TEXT_BYTES]);

/* Minimum, median and maximum of the finite values; NAN when there are none. */
typedef struct normd_plot_summary {
    double min, median, max;
} normd_plot_summary;
normd_plot_summary normd_plot_summarize(const double *values, size_t count);

#endif
