// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/commands/commands.h"

#include <stdio.h>
#include <stdlib.h>

#include "clients/cli/common/json_pack.h"
#include "clients/cli/common/model_text.h"
#include "clients/cli/common/number.h"
#include "clients/cli/data/file.h"
#include "clients/cli/show/fields.h"
#include "clients/cli/show/json.h"

enum {
    LAYERS,
    LAYERS_JSON,
    INPUT,
    LOSS,
    METRICS,
    OPTIMIZER,
    LR,
    CONVENTION,
    DTYPE,
    SEED,
    IF_EXISTS,
    ROWS
};

static const normd_argument options[ROWS] = {
    [LAYERS] = {"layers", "TEXT", "\"linear 128, batch_norm momentum=0.2, relu, linear 10\""},
    [LAYERS_JSON] = {"layers-json", "FILE",
        "the layers as a JSON list of maps; - is standard input"},
    [INPUT] = {"input", "SHAPE", "of one sample: 64 or 3x32x32"},
    [LOSS] = {"loss", "TEXT", "cross_entropy, mse, \"cross_entropy label_smoothing=0.1\", ..."},
    [METRICS] = {"metrics", "TEXT", "reported beside the loss: \"accuracy, top_k k=3\""},
    [OPTIMIZER] = {"optimizer", "TEXT", "\"sgd momentum=0.9\", \"adam lr=0.001 weight_lr=0.01\""},
    [LR] = {"lr", "RATE", "the optimizer's learning rate"},
    [CONVENTION] = {"convention", "NAME", "pytorch (default) or keras: defaults and names"},
    [DTYPE] = {"dtype", "NAME", "float32 (default) or float64"},
    [SEED] = {"seed", "N", "of the initial weights"},
    [IF_EXISTS] = {"if-exists", "WHAT",
        "error (default); ok: keep the one there, if made the same;\nreplace: make it anew"},
};

/* The fields of the request that are no plain words; NULL for those not given. */
typedef struct model {
    json_t *layers, *input, *loss, *metrics, *optimizer, *seed;
} model;

static void free_model(model *m)
{
    json_decref(m->layers);
    json_decref(m->input);
    json_decref(m->loss);
    json_decref(m->metrics);
    json_decref(m->optimizer);
    json_decref(m->seed);
}

static json_t *read_json_file(const char *path, normd_error *error)
{
    void *data;
    size_t size;
    if (normd_file_read(path, &data, &size, error) != NORMD_OK) {
        return NULL;
    }
    json_error_t mistake;
    json_t *json = json_loadb(data, size, 0, &mistake);
    free(data);
    if (json == NULL) {
        normd_error_set(error, NORMD_BAD_ARGUMENT, "%s:%d:%d: %s", path, mistake.line,
            mistake.column, mistake.text);
    }
    return json;
}

static normd_status read_input(const char *text, model *m, normd_error *error)
{
    normd_shape shape;
    if (!normd_number_parse_shape(text, &shape)) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "--input: expected a shape as 64 or 3x32x32, got \"%s\"", text);
    }
    m->input = json_array();
    for (uint32_t axis = 0; axis < shape.rank; axis++) {
        json_array_append_new(m->input, json_integer((json_int_t)shape.dim[axis]));
    }
    return NORMD_OK;
}

static normd_status read_optimizer(const char *text, const char *rate, model *m, normd_error *error)
{
    double lr;
    if (rate != NULL && text == NULL) {
        return normd_error_set(
            error, NORMD_BAD_ARGUMENT, "--lr: expected an --optimizer beside it");
    }
    if (text == NULL) {
        return NORMD_OK;
    }
    m->optimizer = normd_model_text_option(text, "--optimizer", error);
    if (m->optimizer == NULL) {
        return error->status;
    }
    if (rate != NULL && json_object_get(m->optimizer, "lr") != NULL) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "--lr: expected none, since --optimizer has an lr, got \"%s\"", rate);
    }
    if (rate != NULL && (!normd_number_parse(rate, &lr) ||
                            json_object_set_new(m->optimizer, "lr", json_real(lr)) != 0)) {
        return normd_error_set(
            error, NORMD_BAD_ARGUMENT, "--lr: expected a number, got \"%s\"", rate);
    }
    return NORMD_OK;
}

/* error->status is OK before. */
static normd_status read_loss(const char *loss, const char *metrics, model *m, normd_error *error)
{
    m->loss = loss == NULL ? NULL : normd_model_text_option(loss, "--loss", error);
    if (error->status == NORMD_OK && metrics != NULL) {
        m->metrics = normd_model_text_list(metrics, "metric", error);
    }
    return error->status;
}

static normd_status read_model(const normd_arguments *arguments, model *m, normd_error *error)
{
    const char *const *value = arguments->value;
    if ((value[LAYERS] == NULL) == (value[LAYERS_JSON] == NULL)) {
        return normd_error_set(
            error, NORMD_BAD_ARGUMENT, "expected one of --layers and --layers-json");
    }
    m->layers = value[LAYERS] != NULL ? normd_model_text_layers(value[LAYERS], error)
                                      : read_json_file(value[LAYERS_JSON], error);
    if (m->layers == NULL) {
        return error->status;
    }
    if (value[INPUT] != NULL && read_input(value[INPUT], m, error) != NORMD_OK) {
        return error->status;
    }
    if (value[SEED] != NULL) {
        size_t seed =
            normd_arguments_count(options, arguments, SEED, 0, 0, (size_t)INT64_MAX, error);
        m->seed = json_integer((json_int_t)seed);
    }
    return error->status != NORMD_OK || read_loss(value[LOSS], value[METRICS], m, error) != NORMD_OK
               ? error->status
               : read_optimizer(value[OPTIMIZER], value[LR], m, error);
}

static void put_json(normd_client *client, const char *key, const json_t *json)
{
    if (json != NULL) {
        normd_json_pack(normd_client_put(client, key), json);
    }
}

static void write_request(normd_client *client, const normd_arguments *arguments, const model *m)
{
    static const struct {
        size_t row;
        const char *key;
    } words[] = {{CONVENTION, "convention"}, {DTYPE, "dtype"}, {IF_EXISTS, "if_exists"}};
    const size_t count = sizeof words / sizeof words[0];
    uint32_t fields = 2u + (m->input != NULL) + (m->loss != NULL) + (m->metrics != NULL) +
                      (m->optimizer != NULL) + (m->seed != NULL);
    for (size_t k = 0; k < count; k++) {
        fields += arguments->value[words[k].row] != NULL;
    }
    normd_client_begin(client, "session.create", fields);
    normd_client_put_string(client, "session", arguments->rest[0]);
    put_json(client, "layers", m->layers);
    put_json(client, "input", m->input);
    put_json(client, "loss", m->loss);
    put_json(client, "metrics", m->metrics);
    put_json(client, "optimizer", m->optimizer);
    put_json(client, "seed", m->seed);
    for (size_t k = 0; k < count; k++) {
        if (arguments->value[words[k].row] != NULL) {
            normd_client_put_string(client, words[k].key, arguments->value[words[k].row]);
        }
    }
}

static normd_cli_exit run(const normd_cli *cli, const normd_arguments *arguments)
{
    normd_error error = {.status = NORMD_OK};
    model m = {.layers = NULL};
    if (read_model(arguments, &m, &error) != NORMD_OK) {
        free_model(&m);
        return normd_cli_usage_error("create: %s", error.message);
    }
    normd_client *client;
    normd_cli_exit code = normd_cli_connect(cli, &client);
    if (code == NORMD_CLI_OK) {
        write_request(client, arguments, &m);
        normd_client_answer *answer;
        code = normd_cli_call(client, &answer);
        if (code == NORMD_CLI_OK) {
            if (cli->json) {
                normd_json_print(stdout, answer, answer->result);
            } else {
                normd_fields_print(stdout, answer, answer->result);
            }
            normd_client_answer_free(answer);
        }
        normd_client_close(client);
    }
    free_model(&m);
    return code;
}

const normd_cli_command normd_command_create = {
    .name = "create",
    .words = "SESSION",
    .summary = "create a session and show it, defaults filled in",
    .details = "Layers are separated by commas; each is a type, then options as key=value. A "
               "number behind\n"
               "linear is its out, behind batch_norm and instance_norm its features, behind "
               "layer_norm and\n"
               "rms_norm its normalized_shape, behind group_norm its num_groups, behind conv2d its "
               "out,\n"
               "behind max_pool2d and avg_pool2d their kernel_size, behind dropout its p, behind "
               "softmax its dim.",
    .examples =
        "  normctl create digits --input 64 --layers \"linear 128, batch_norm, relu, linear 10\" "
        "\\\n"
        "      --loss cross_entropy --optimizer adam --lr 1e-3 --seed 1\n"
        "  normctl create digits --input 64 --layers \"linear 128, batch_norm, relu, linear 10\" "
        "\\\n"
        "      --loss cross_entropy --optimizer 'adamw no_decay=[\"norm\",\"bias\"] "
        "clip_grad_norm=1'\n"
        "  normctl create norm --layers \"batch_norm 256 momentum=null\" --convention keras\n"
        "  normctl create digits --layers-json model.json --input 64 --if-exists ok",
    .options = options,
    .option_count = ROWS,
    .least = 1,
    .most = 1,
    .run = run,
};
