// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/show/plot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LEVELS = 8 };

static const char *const blocks[LEVELS] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
static const char *const weights[LEVELS] = {".", ":", "-", "=", "+", "*", "#", "@"};

static size_t clamp_width(size_t width)
{
    return width < NORMD_PLOT_MAX_WIDTH ? width : NORMD_PLOT_MAX_WIDTH;
}

static char *append(char *end, const char *mark)
{
    size_t length = strlen(mark);
    memcpy(end, mark, length + 1);
    return end + length;
}

/* The mark for a share of the height in [0, 1]; blank for what is not finite. */
static const char *mark_of(double share, bool ascii)
{
    if (!isfinite(share)) {
        return " ";
    }
    size_t level = (size_t)(share * LEVELS);
    if (level >= LEVELS) {
        level = LEVELS - 1;
    }
    return ascii ? weights[level] : blocks[level];
}

static void find_extremes(const double *values, size_t count, double *min, double *max)
{
    *min = INFINITY;
    *max = -INFINITY;
    for (size_t k = 0; k < count; k++) {
        if (isfinite(values[k])) {
            *min = fmin(*min, values[k]);
            *max = fmax(*max, values[k]);
        }
    }
}

const char *normd_plot_profile(const double *values, size_t count, size_t width, bool ascii,
    char text[static NORMD_PLOT_TEXT_BYTES])
{
    double mean[NORMD_PLOT_MAX_WIDTH] = {0.0};
    width = clamp_width(count < width ? count : width);
    for (size_t column = 0; column < width; column++) {
        size_t begin = column * count / width;
        size_t end = (column + 1) * count / width;
        double sum = 0.0;
        for (size_t k = begin; k < end; k++) {
            sum += values[k];
        }
        mean[column] = sum / (double)(end - begin);
    }
    double min;
    double max;
    find_extremes(mean, width, &min, &max);
    char *end = text;
    *end = '\0';
    for (size_t column = 0; column < width; column++) {
        double share = max > min ? (mean[column] - min) / (max - min) : 0.0;
        end = append(end, mark_of(isfinite(mean[column]) ? share : mean[column], ascii));
    }
    return text;
}

const char *normd_plot_histogram(const double *values, size_t count, size_t width, bool ascii,
    char text[static NORMD_PLOT_TEXT_BYTES])
{
    size_t bucket[NORMD_PLOT_MAX_WIDTH] = {0};
    double min;
    double max;
    width = clamp_width(width);
    find_extremes(values, count, &min, &max);
    size_t highest = 0;
    for (size_t k = 0; k < count; k++) {
        if (!isfinite(values[k])) {
            continue;
        }
        double share = max > min ? (values[k] - min) / (max - min) : 0.5;
        size_t column = (size_t)(share * (double)width);
        column = column < width ? column : width - 1;
        bucket[column]++;
        highest = bucket[column] > highest ? bucket[column] : highest;
    }
    char *end = text;
    *end = '\0';
    for (size_t column = 0; column < width; column++) {
        /* One value is still one mark: the lowest level is for the rarest, not for none. */
        double share = (double)bucket[column] / (double)(highest > 0 ? highest : 1);
        end = append(end, bucket[column] == 0 ? " " : mark_of(share - 1e-9, ascii));
    }
    return text;
}

const char *normd_plot_bar(
    double share, size_t width, bool ascii, char text[static NORMD_PLOT_TEXT_BYTES])
{
    width = clamp_width(width);
    size_t filled = (size_t)(fmin(fmax(share, 0.0), 1.0) * (double)width + 0.5);
    char *end = text;
    *end = '\0';
    for (size_t column = 0; column < width; column++) {
        end = append(end, column < filled ? (ascii ? "#" : "█") : (ascii ? "." : "░"));
    }
    return text;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

normd_plot_summary normd_plot_summarize(const double *values, size_t count)
{
    normd_plot_summary summary = {.min = NAN, .median = NAN, .max = NAN};
    double *sorted = malloc((count > 0 ? count : 1) * sizeof *sorted);
    if (sorted == NULL) {
        return summary;
    }
    size_t finite = 0;
    for (size_t k = 0; k < count; k++) {
        if (isfinite(values[k])) {
            sorted[finite++] = values[k];
        }
    }
    if (finite > 0) {
        qsort(sorted, finite, sizeof *sorted, compare);
        summary.min = sorted[0];
        summary.max = sorted[finite - 1];
        summary.median = (sorted[(finite - 1) / 2] + sorted[finite / 2]) / 2.0;
    }
    free(sorted);
    return summary;
}
