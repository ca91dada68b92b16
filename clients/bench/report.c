// SPDX-License-Identifier: Apache-2.0
#include "clients/bench/report.h"

#include <inttypes.h>

#include "clients/cli/common/number.h"

/* What is reported, once, for all formats. */
typedef struct figures {
    double per_second, megabytes_out, megabytes_in;
    double quantile[5]; /* microseconds */
} figures;

static const struct {
    const char *name;
    double q;
} quantiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1.0}};

enum { QUANTILES = sizeof quantiles / sizeof quantiles[0] };

static figures compute(const normd_tally *tally, double seconds)
{
    figures f = {.per_second = (double)tally->answers / seconds,
        .megabytes_out = (double)tally->bytes_sent / seconds * 1e-6,
        .megabytes_in = (double)tally->bytes_received / seconds * 1e-6};
    for (size_t k = 0; k < QUANTILES; k++) {
        f.quantile[k] = 1e-3 * (double)normd_histogram_quantile(&tally->latency, quantiles[k].q);
    }
    return f;
}

static void shape_text(const normd_shape *shape, char text[static NORMD_SHAPE_TEXT_BYTES])
{
    int length = 0;
    for (uint32_t axis = 0; axis < shape->rank; axis++) {
        length += snprintf(text + length, NORMD_SHAPE_TEXT_BYTES - (size_t)length, "%s%zu",
            axis > 0 ? "x" : "", shape->dim[axis]);
    }
}

static void print_latency(FILE *out, double microseconds)
{
    if (microseconds < 1000.0) {
        fprintf(out, "%8.1f us", microseconds);
    } else if (microseconds < 1e6) {
        fprintf(out, "%8.2f ms", microseconds * 1e-3);
    } else {
        fprintf(out, "%8.2f s ", microseconds * 1e-6);
    }
}

static void print_text(FILE *out, const normd_bench_settings *s, const normd_tally *tally,
    double seconds, const figures *f)
{
    char rate[NORMD_NUMBER_TEXT_BYTES];
    char shape[NORMD_SHAPE_TEXT_BYTES];
    shape_text(&s->shape, shape);
    fprintf(out, "%s", s->method_name);
    if (s->method != NORMD_BENCH_PING) {
        fprintf(out, "  %s  %s  %zu session%s", shape, s->model, s->sessions,
            s->sessions == 1 ? "" : "s");
    }
    fprintf(out, "\n%zu connection%s, %zu in flight on each, %zu thread%s, %.2f s\n",
        s->connections, s->connections == 1 ? "" : "s", s->pipeline, s->threads,
        s->threads == 1 ? "" : "s", seconds);
    fprintf(out, "\n  requests  %12" PRIu64 "   %s/s\n", tally->answers,
        normd_number_format_short(f->per_second, rate));
    fprintf(out, "  sent      %12.1f MB/s\n  received  %12.1f MB/s\n", f->megabytes_out,
        f->megabytes_in);
    fputs("\n  latency ", out);
    for (size_t k = 0; k < QUANTILES; k++) {
        fprintf(out, "%11s", quantiles[k].name);
    }
    fputs("\n          ", out);
    for (size_t k = 0; k < QUANTILES; k++) {
        print_latency(out, f->quantile[k]);
    }
    fprintf(out, "\n\n  errors    %" PRIu64 " refused, %" PRIu64 " wrong, %" PRIu64 " lost\n",
        tally->refused, tally->wrong, tally->lost);
    if (s->churn) {
        fprintf(out, "  churn     %" PRIu64 " connections cut\n", tally->cuts);
    }
    if (tally->first_refusal[0] != '\0') {
        fprintf(out, "  the first refusal: %s\n", tally->first_refusal);
    }
}

static void print_csv(FILE *out, const normd_bench_settings *s, const normd_tally *tally,
    double seconds, const figures *f)
{
    char shape[NORMD_SHAPE_TEXT_BYTES];
    shape_text(&s->shape, shape);
    fputs("method,shape,model,sessions,connections,pipeline,threads,seconds,requests,"
          "requests_per_second,sent_mb_per_second,received_mb_per_second,p50_us,p90_us,p99_us,"
          "p99.9_us,max_us,refused,wrong,lost,cuts\n",
        out);
    fprintf(out, "%s,%s,\"%s\",%zu,%zu,%zu,%zu,%.6f,%" PRIu64 ",%.1f,%.3f,%.3f", s->method_name,
        shape, s->model, s->sessions, s->connections, s->pipeline, s->threads, seconds,
        tally->answers, f->per_second, f->megabytes_out, f->megabytes_in);
    for (size_t k = 0; k < QUANTILES; k++) {
        fprintf(out, ",%.3f", f->quantile[k]);
    }
    fprintf(out, ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 "\n", tally->refused, tally->wrong,
        tally->lost, tally->cuts);
}

/* The model is the only text that a user wrote. */
static void print_json_text(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            fprintf(out, "\\%c", c);
        } else if (c < 0x20) {
            fprintf(out, "\\u%04x", c);
        } else {
            fputc(c, out);
        }
    }
    fputc('"', out);
}

static void print_json(FILE *out, const normd_bench_settings *s, const normd_tally *tally,
    double seconds, const figures *f)
{
    char shape[NORMD_SHAPE_TEXT_BYTES];
    shape_text(&s->shape, shape);
    fprintf(out, "{\"method\": \"%s\", \"shape\": \"%s\", \"model\": ", s->method_name, shape);
    print_json_text(out, s->model);
    fprintf(out,
        ", \"sessions\": %zu, \"connections\": %zu, \"pipeline\": %zu, \"threads\": %zu, "
        "\"seconds\": %.6f, \"requests\": %" PRIu64 ", \"requests_per_second\": %.1f, "
        "\"sent_mb_per_second\": %.3f, \"received_mb_per_second\": %.3f, \"latency_us\": {",
        s->sessions, s->connections, s->pipeline, s->threads, seconds, tally->answers,
        f->per_second, f->megabytes_out, f->megabytes_in);
    for (size_t k = 0; k < QUANTILES; k++) {
        fprintf(out, "%s\"%s\": %.3f", k > 0 ? ", " : "", quantiles[k].name, f->quantile[k]);
    }
    fprintf(out,
        "}, \"refused\": %" PRIu64 ", \"wrong\": %" PRIu64 ", \"lost\": %" PRIu64
        ", \"cuts\": %" PRIu64 "}\n",
        tally->refused, tally->wrong, tally->lost, tally->cuts);
}

void normd_report_print(
    FILE *out, const normd_bench_settings *settings, const normd_tally *tally, double seconds)
{
    figures f = compute(tally, seconds);
    switch (settings->format) {
    case NORMD_BENCH_TEXT:
        print_text(out, settings, tally, seconds, &f);
        break;
    case NORMD_BENCH_CSV:
        print_csv(out, settings, tally, seconds, &f);
        break;
    case NORMD_BENCH_JSON:
        print_json(out, settings, tally, seconds, &f);
        break;
    }
}
