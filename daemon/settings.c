// SPDX-License-Identifier: Apache-2.0
#include "daemon/settings.h"

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/config_file.h"
#include "lib/pool/pool.h"
#include "protocol/limits.h"

/* Where a setting's text goes, by kind. */
typedef enum setting_kind {
    KIND_TEXT,    /* char[limit] */
    KIND_INTEGER, /* int, 1 to limit */
    KIND_BYTES,   /* uint64_t, with K, M or G behind it */
    KIND_COUNT,   /* uint64_t */
    KIND_PORT,
    KIND_MODE,
    KIND_LEVEL,
    KIND_SYNC,
    KIND_YES,
} setting_kind;

typedef struct setting {
    const char *name;
    const char *argument;
    const char *help;
    setting_kind kind;
    size_t offset;
    uint64_t least; /* BYTES, COUNT */
    size_t limit;   /* TEXT: bytes of the array; INTEGER: the largest */
} setting;

#define AT(field) offsetof(normd_settings, field)
static const setting settings_table[] = {
    {"bind", "ADDR", "IPv4 or IPv6 address to listen on (127.0.0.1)", KIND_TEXT, AT(bind), 0,
        NORMD_SETTINGS_ADDRESS_BYTES},
    {"port", "N", "TCP port (6676); 0 takes a free one, \"none\" listens on no TCP", KIND_PORT,
        AT(port), 0, 0},
    {"unix", "PATH", "listen on a Unix socket, too", KIND_TEXT, AT(unix_path), 0,
        NORMD_SETTINGS_PATH_BYTES},
    {"unix-mode", "MODE", "its permissions, in octal (0600)", KIND_MODE, AT(unix_mode), 0, 0},
    {"threads", "N", "worker threads (the CPUs that the process may use)", KIND_INTEGER,
        AT(threads), 0, NORMD_POOL_MAX_THREADS},
    {"instruction-set", "NAME", "kernels to use (auto): auto, reference, baseline, avx2, avx512",
        KIND_TEXT, AT(instruction_set), 0, NORMD_SETTINGS_NAME_BYTES},
    {"max-message-bytes", "N", "largest message (1G)", KIND_BYTES, AT(max_message_bytes), 1024, 0},
    {"max-connections", "N", "open connections (10000)", KIND_COUNT, AT(max_connections), 1, 0},
    {"max-memory", "N", "bytes of requests and answers in flight (a quarter of the memory)",
        KIND_BYTES, AT(max_memory), 1024, 0},
    {"progress-seconds", "N", "seconds that a message may stand still; 0 for no limit (30)",
        KIND_COUNT, AT(progress_seconds), 0, 0},
    {"max-work-bytes", "N", "memory that one request may take to compute (a quarter of it)",
        KIND_BYTES, AT(max_work_bytes), 1024, 0},
    {"max-session-bytes", "N", "memory of one session's parameters and state (a quarter of it)",
        KIND_BYTES, AT(max_session_bytes), 1024, 0},
    {"max-session-memory", "N", "the same, of all sessions together (half of it)", KIND_BYTES,
        AT(max_session_memory), 1024, 0},
    {"max-context-memory", "N", "bytes that all sessions keep for backward (a quarter of it)",
        KIND_BYTES, AT(max_context_memory), 1024, 0},
    {"context-bytes", "N", "bytes a session keeps for backward (256M)", KIND_BYTES,
        AT(context_bytes), 0, 0},
    {"context-seconds", "N", "seconds that it keeps them; 0 for no limit (600)", KIND_COUNT,
        AT(context_seconds), 0, 0},
    {"max-clients", "N", "clients whose mutations are remembered (100000)", KIND_COUNT,
        AT(max_clients), 1, 0},
    {"client-seconds", "N", "unseen for so long, one may be forgotten for another (3600)",
        KIND_COUNT, AT(client_seconds), 1, 0},
    {"max-client-memory", "N", "bytes of answers that are kept for clients' retries (256M)",
        KIND_BYTES, AT(max_client_memory), 0, 0},
    {"data-dir", "DIR", "keep sessions in this directory, made when missing (none: in memory only)",
        KIND_TEXT, AT(data_dir), 0, NORMD_SETTINGS_DIRECTORY_BYTES},
    {"fsync", "MODE", "what a power cut may cost: always nothing, everysec about a second, no more",
        KIND_SYNC, AT(fsync), 0, 0},
    {"journal-bytes", "N", "write a checkpoint when the journal is longer (256M)", KIND_BYTES,
        AT(journal_bytes), 1024, 0},
    {"recovery-seconds", "N", "or when doing it again would take longer (5)", KIND_COUNT,
        AT(recovery_seconds), 1, 0},
    {"accept-numerics", "YES", "recover also where last bits may differ: yes or no (no)", KIND_YES,
        AT(accept_numerics), 0, 0},
    {"log-level", "LEVEL", "error, warning, info or debug (info)", KIND_LEVEL, AT(log_level), 0, 0},
};
#undef AT
enum { SETTING_COUNT = sizeof settings_table / sizeof *settings_table };

static int available_cpus(void)
{
    cpu_set_t cpus;
    int count = sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus) : 1;
    return count < 1 ? 1 : count;
}

void normd_settings_default(normd_settings *settings)
{
    uint64_t pages = (uint64_t)sysconf(_SC_PHYS_PAGES);
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t quarter = pages * page / 4;
    *settings = (normd_settings){
        .bind = "127.0.0.1",
        .port = NORMD_DEFAULT_PORT,
        .unix_mode = 0600,
        .threads = available_cpus(),
        .instruction_set = "auto",
        .max_message_bytes = NORMD_LIMITS_DEFAULT.message_bytes,
        .max_connections = 10000,
        .max_memory = quarter,
        .progress_seconds = 30,
        .max_work_bytes = quarter,
        .max_session_bytes = quarter,
        .max_session_memory = 2 * quarter,
        .max_context_memory = quarter,
        .context_bytes = UINT64_C(256) << 20,
        .context_seconds = 600,
        .max_clients = 100000,
        .client_seconds = 3600,
        .max_client_memory = UINT64_C(256) << 20,
        .fsync = NORMD_STORE_SYNC_EVERYSEC,
        .journal_bytes = UINT64_C(256) << 20,
        .recovery_seconds = 5,
        .log_level = NORMD_LOG_INFO,
    };
}

/* A whole number without sign, all of `text` in the given base, but for `*suffix`. */
static bool parse_digits(const char *text, int base, uint64_t *value, char **suffix)
{
    if (*text < '0' || *text > '9') {
        return false;
    }
    errno = 0;
    *value = strtoull(text, suffix, base);
    return errno == 0;
}

static bool parse_whole(const char *text, int base, uint64_t most, uint64_t *value)
{
    char *end;
    return parse_digits(text, base, value, &end) && *end == '\0' && *value <= most;
}

static bool parse_bytes(const char *text, uint64_t *value)
{
    static const char units[] = "KMG";
    char *end;
    if (!parse_digits(text, 10, value, &end)) {
        return false;
    }
    if (*end == '\0') {
        return true;
    }
    const char *unit = strchr(units, *end & ~0x20);
    if (unit == NULL || end[1] != '\0') {
        return false;
    }
    return !__builtin_mul_overflow(*value, UINT64_C(1) << (10 * (unit - units + 1)), value);
}

/* Each returns what was expected when `text` is not that, else NULL. */

static const char *set_text(char *to, size_t room, const char *text)
{
    if (*text == '\0' || strlen(text) >= room) {
        return "a text that is not empty and not too long";
    }
    memcpy(to, text, strlen(text) + 1);
    return NULL;
}

static const char *set_sync(void *to, const char *text)
{
    static const char *const names[] = {[NORMD_STORE_SYNC_ALWAYS] = "always",
        [NORMD_STORE_SYNC_EVERYSEC] = "everysec",
        [NORMD_STORE_SYNC_NO] = "no"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(text, names[i]) == 0) {
            *(normd_store_sync *)to = (normd_store_sync)i;
            return NULL;
        }
    }
    return "always, everysec or no";
}

static const char *set_yes(void *to, const char *text)
{
    *(bool *)to = strcmp(text, "yes") == 0;
    return *(bool *)to || strcmp(text, "no") == 0 ? NULL : "yes or no";
}

static const char *set_number(const setting *row, void *to, const char *text)
{
    uint64_t value = 0;
    switch (row->kind) {
    case KIND_INTEGER:
        if (!parse_whole(text, 10, row->limit, &value) || value < 1) {
            return "a whole number from 1 to 1024";
        }
        *(int *)to = (int)value;
        return NULL;
    case KIND_PORT:
        if (strcmp(text, "none") == 0) {
            *(int *)to = NORMD_SETTINGS_NO_PORT;
            return NULL;
        }
        if (!parse_whole(text, 10, 65535, &value)) {
            return "a port from 0 to 65535, or \"none\"";
        }
        *(int *)to = (int)value;
        return NULL;
    case KIND_MODE:
        if (!parse_whole(text, 8, 0777, &value)) {
            return "permissions in octal, up to 0777";
        }
        *(unsigned *)to = (unsigned)value;
        return NULL;
    case KIND_BYTES:
        if (!parse_bytes(text, &value) || value < row->least) {
            return row->least > 0 ? "at least 1024 bytes, as 65536 or 64K or 1G"
                                  : "a number of bytes, as 65536 or 64K or 1G";
        }
        *(uint64_t *)to = value;
        return NULL;
    default:
        if (!parse_whole(text, 10, UINT32_MAX, &value) || value < row->least) {
            return row->least > 0 ? "a whole number above 0" : "a whole number";
        }
        *(uint64_t *)to = value;
        return NULL;
    }
}

normd_status normd_settings_set(
    normd_settings *settings, const char *name, const char *value, normd_error *error)
{
    const setting *row = settings_table;
    while (row < settings_table + SETTING_COUNT && strcmp(row->name, name) != 0) {
        row++;
    }
    if (row == settings_table + SETTING_COUNT) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT, "unknown option \"%s\"", name);
    }
    char *to = (char *)settings + row->offset;
    const char *expected;
    if (row->kind == KIND_TEXT) {
        expected = set_text(to, row->limit, value);
    } else if (row->kind == KIND_LEVEL) {
        expected = normd_log_level_parse(value, &settings->log_level)
                       ? NULL
                       : "error, warning, info or debug";
    } else if (row->kind == KIND_SYNC) {
        expected = set_sync(to, value);
    } else if (row->kind == KIND_YES) {
        expected = set_yes(to, value);
    } else {
        expected = set_number(row, to, value);
    }
    if (expected != NULL) {
        return normd_error_set(
            error, NORMD_BAD_ARGUMENT, "%s: expected %s, got \"%s\"", name, expected, value);
    }
    return NORMD_OK;
}

enum { OPTION_CONFIG = SETTING_COUNT, OPTION_CHECK, OPTION_HELP, OPTION_VERSION, OPTION_COUNT };

static void fill_options(struct option options[OPTION_COUNT + 1])
{
    for (int i = 0; i < SETTING_COUNT; i++) {
        options[i] = (struct option){settings_table[i].name, required_argument, NULL, i};
    }
    options[OPTION_CONFIG] = (struct option){"config", required_argument, NULL, OPTION_CONFIG};
    options[OPTION_CHECK] = (struct option){"check", required_argument, NULL, OPTION_CHECK};
    options[OPTION_HELP] = (struct option){"help", no_argument, NULL, OPTION_HELP};
    options[OPTION_VERSION] = (struct option){"version", no_argument, NULL, OPTION_VERSION};
    options[OPTION_COUNT] = (struct option){0};
}

/* Goes once through the command line: with `settings` it sets them, without it only finds the
   configuration file and what is to be done. */
static normd_status walk(int argc, char *argv[], normd_settings *settings, const char **config,
    normd_settings_action *action, normd_error *error)
{
    struct option options[OPTION_COUNT + 1];
    fill_options(options);
    normd_status status = NORMD_OK;
    optind = 0;
    opterr = 0;
    int option;
    while (status == NORMD_OK && (option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == '?') {
            return normd_error_set(error, NORMD_BAD_ARGUMENT,
                "\"%s\" is no option or lacks its value; --help lists them", argv[optind - 1]);
        }
        if (option == OPTION_CONFIG) {
            *config = optarg;
        } else if (option == OPTION_CHECK) {
            *action = NORMD_SETTINGS_CHECK;
            if (settings != NULL) {
                status = normd_settings_set(settings, "data-dir", optarg, error);
            }
        } else if (option == OPTION_HELP) {
            *action = NORMD_SETTINGS_HELP;
        } else if (option == OPTION_VERSION) {
            *action = NORMD_SETTINGS_VERSION;
        } else if (settings != NULL) {
            status = normd_settings_set(settings, settings_table[option].name, optarg, error);
            normd_error_prefix(error, "--");
        }
    }
    if (status == NORMD_OK && optind < argc) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "expected options only, got \"%s\"; --help lists them", argv[optind]);
    }
    return status;
}

normd_status normd_settings_read(normd_settings *settings, int argc, char *argv[],
    normd_settings_action *action, normd_error *error)
{
    normd_settings_default(settings);
    *action = NORMD_SETTINGS_RUN;
    const char *config = NULL;
    normd_status status = walk(argc, argv, NULL, &config, action, error);
    if (status == NORMD_OK && config != NULL) {
        status = normd_config_file_read(config, settings, error);
    }
    const char *instruction_set = getenv("NORMD_INSTRUCTION_SET");
    if (status == NORMD_OK && instruction_set != NULL) {
        status = normd_settings_set(settings, "instruction-set", instruction_set, error);
    }
    if (status == NORMD_OK) {
        status = walk(argc, argv, settings, &config, action, error);
    }
    if (status == NORMD_OK && settings->port == NORMD_SETTINGS_NO_PORT &&
        settings->unix_path[0] == '\0') {
        status = normd_error_set(
            error, NORMD_BAD_ARGUMENT, "port: expected a port or --unix PATH, got neither");
    }
    return status;
}

void normd_settings_help(FILE *stream)
{
    fputs("normd " NORMD_VERSION ": a training service daemon for batch normalization\n\n"
          "usage: normd [options]\n\n",
        stream);
    for (int i = 0; i < SETTING_COUNT; i++) {
        const setting *row = &settings_table[i];
        int width = 26 - (int)strlen(row->name) - 3;
        fprintf(stream, "  --%s %-*s %s\n", row->name, width, row->argument, row->help);
    }
    fputs(
        "  --config FILE              lines `name value` with the names above; # comments;\n"
        "                             the command line wins over the file\n"
        "  --check DIR                verify the store in DIR, which no daemon may have, and end\n"
        "  --help                     this text\n"
        "  --version                  the version\n\n"
        "After a crash, --context-bytes, --max-work-bytes and --max-session-bytes must not be "
        "smaller\n"
        "than before until a clean stop: the journal is done again with them.\n\n"
        "environment:\n"
        "  NORMD_INSTRUCTION_SET      as --instruction-set, which wins; wins over the file\n",
        stream);
}
