// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/show/progress.h"

#include <math.h>
#include <string.h>

#include "clients/c/clock.h"
#include "clients/cli/common/number.h"
#include "clients/cli/show/plot.h"
#include "clients/cli/show/terminal.h"

enum { LINE_BYTES = 256, REDRAW_NANOSECONDS = 100000000 };

const char *normd_progress_time(double seconds, char text[static NORMD_PROGRESS_TIME_BYTES])
{
    if (seconds < 10.0) {
        snprintf(text, NORMD_PROGRESS_TIME_BYTES, "%.2g s", seconds);
    } else if (seconds < 60.0) {
        snprintf(text, NORMD_PROGRESS_TIME_BYTES, "%.0f s", seconds);
    } else if (seconds < 3600.0) {
        snprintf(text, NORMD_PROGRESS_TIME_BYTES, "%.0f min %02.0f s", floor(seconds / 60.0),
            floor(fmod(seconds, 60.0)));
    } else {
        snprintf(text, NORMD_PROGRESS_TIME_BYTES, "%.0f h %02.0f min", floor(seconds / 3600.0),
            floor(fmod(seconds, 3600.0) / 60.0));
    }
    return text;
}

static double seconds_since(int64_t moment)
{
    return (double)(normd_clock_now() - moment) * 1e-9;
}

void normd_progress_begin(
    normd_progress *progress, FILE *out, bool quiet, bool ascii, size_t epochs, size_t batches)
{
    *progress = (normd_progress){
        .out = out, .quiet = quiet, .ascii = ascii, .epochs = epochs, .batches = batches};
    progress->redraw = !quiet && normd_terminal_is(out);
    progress->started = progress->epoch_started = normd_clock_now();
}

static int digits(size_t number)
{
    int count = 1;
    while (number >= 10) {
        number /= 10;
        count++;
    }
    return count;
}

/* "loss 0.2113  accuracy 94.2 %  18.2k samples/s" of this epoch so far. */
static void describe_epoch(const normd_progress *progress, char line[static LINE_BYTES])
{
    char rate[NORMD_NUMBER_TEXT_BYTES];
    char accuracy[32] = "";
    double samples = (double)progress->epoch_samples;
    double elapsed = fmax(seconds_since(progress->epoch_started), 1e-9);
    if (!isnan(progress->hits)) {
        snprintf(
            accuracy, sizeof accuracy, "  accuracy %5.1f %%", 100.0 * progress->hits / samples);
    }
    snprintf(line, LINE_BYTES, "loss %-9.4g%s  %5s samples/s", progress->loss / samples, accuracy,
        normd_number_format_short(samples / elapsed, rate));
}

static void draw(normd_progress *progress)
{
    char facts[LINE_BYTES];
    char bar[NORMD_PLOT_TEXT_BYTES];
    char left[NORMD_PROGRESS_TIME_BYTES];
    describe_epoch(progress, facts);
    double total = (double)(progress->epochs * progress->batches);
    double done = (double)(progress->epoch * progress->batches + progress->batch);
    double remaining = seconds_since(progress->started) / done * (total - done);
    size_t columns = normd_terminal_columns(progress->out);
    int epoch_width = digits(progress->epochs);
    int batch_width = digits(progress->batches);
    size_t others = strlen(facts) + 2 * (size_t)(epoch_width + batch_width) + 30;
    size_t width = columns > others + 8 ? columns - others : 8;
    /* Without wrapping, a line that is too long for a narrow terminal is cut and not broken. */
    fprintf(progress->out, "\r\033[K\033[?7lepoch %*zu/%zu  %s  %*zu/%zu  %s", epoch_width,
        progress->epoch + 1, progress->epochs,
        normd_plot_bar(done / total, width < 24 ? width : 24, progress->ascii, bar), batch_width,
        progress->batch, progress->batches, facts);
    if (columns > others + 8) {
        fprintf(progress->out, "  %s left", normd_progress_time(remaining, left));
    }
    fputs("\033[?7h", progress->out);
    fflush(progress->out);
}

void normd_progress_clear(const normd_progress *progress)
{
    if (progress->redraw) {
        fputs("\r\033[K", progress->out);
        fflush(progress->out);
    }
}

static void end_epoch(normd_progress *progress)
{
    char facts[LINE_BYTES];
    describe_epoch(progress, facts);
    normd_progress_clear(progress);
    fprintf(progress->out, "epoch %*zu/%zu  %s\n", digits(progress->epochs), progress->epoch + 1,
        progress->epochs, facts);
    fflush(progress->out);
}

/* Each of a few epochs leaves a line behind; of many, twenty and the last. */
static bool leaves_line(const normd_progress *progress)
{
    size_t every = progress->epochs > 25 ? progress->epochs / 20 : 1;
    return (progress->epoch + 1) % every == 0 || progress->epoch + 1 == progress->epochs;
}

void normd_progress_batch(normd_progress *progress, size_t samples, const normd_client_score *score)
{
    double weight = (double)samples;
    progress->batch++;
    progress->samples += samples;
    progress->epoch_samples += samples;
    progress->loss += weight * score->loss;
    progress->hits += weight * score->accuracy;
    if (progress->batch == progress->batches) {
        if (!progress->quiet && leaves_line(progress)) {
            end_epoch(progress);
        }
        progress->epoch++;
        progress->batch = progress->epoch_samples = 0;
        progress->loss = progress->hits = 0.0;
        progress->epoch_started = normd_clock_now();
    } else if (progress->redraw && normd_clock_now() - progress->drawn > REDRAW_NANOSECONDS) {
        draw(progress);
        progress->drawn = normd_clock_now();
    }
}
