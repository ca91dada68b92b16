// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include "lib/kernels/tiling.h"
#include "lib/layers/batch_norm_memory.h"
#include "tests/unit/lib/kernels/batch.h"

/*
 * The bits of a forward and a backward depend neither on the number of threads nor on the caches:
 * for every storage type and layout, and for shapes whose tiles hold all values of their channels
 * and for those whose tiles do not.
 */
typedef struct outcome {
    void *y, *dx;
    char *gradients, *statistics;
} outcome;

typedef struct setting {
    storage type;
    normd_layer *layer;
    normd_shape shape;
    normd_geometry geometry;
    uint8_t *mask;
    normd_shape mask_shape;
    size_t positions;
    void *x, *dy;
    char *parameters, *statistics;
    size_t slab_bytes[2];
} setting;

static void *copy_of(const void *from, size_t bytes)
{
    return memcpy(memory_allocate(bytes), from, bytes);
}

/* Lays the tensors out, and gives each values that are not all the same. */
static void make_slabs(setting *of)
{
    for (size_t t = 0; t < of->layer->tensors; t++) {
        normd_layer_tensor *tensor = &of->layer->tensor[t];
        tensor->offset = of->slab_bytes[tensor->slab];
        of->slab_bytes[tensor->slab] +=
            normd_round_to_line(tensor->elements * normd_dtype_size(tensor->dtype));
    }
    of->parameters = memory_allocate(of->slab_bytes[NORMD_SLAB_PARAMETERS]);
    of->statistics = memory_allocate(of->slab_bytes[NORMD_SLAB_STATISTICS]);
    memset(of->parameters, 0, of->slab_bytes[NORMD_SLAB_PARAMETERS]);
    memset(of->statistics, 0, of->slab_bytes[NORMD_SLAB_STATISTICS]);
    for (size_t t = 0; t < of->layer->tensors; t++) {
        const normd_layer_tensor *tensor = &of->layer->tensor[t];
        char *slab = tensor->slab == NORMD_SLAB_PARAMETERS ? of->parameters : of->statistics;
        for (size_t i = 0; i < tensor->elements && tensor->dtype == of->layer->dtype; i++) {
            normd_value_store(
                tensor->dtype, slab + tensor->offset, i, 0.5 + 0.01 * (double)((i + t) % 97));
        }
    }
}

static setting setting_make(
    storage type, normd_shape shape, bool channels_last, data_kind kind, uint64_t *state)
{
    setting of = {.type = type, .shape = shape};
    size_t channels = shape.dim[channels_last ? shape.rank - 1 : 1];
    json_t *map = json_pack("{s:s, s:I, s:i}", "type", "batch_norm", "features",
        (json_int_t)channels, "axis", channels_last ? -1 : 1);
    normd_flow flow = {.shape = {0}};
    normd_layer_source source = {.convention = NORMD_PYTORCH,
        .dtype = type == STORAGE_F64 ? NORMD_F64 : NORMD_F32,
        .flow = &flow};
    normd_error error;
    assert_int_equal(normd_layer_create(map, NULL, 0, &source, &of.layer, &error), NORMD_OK);
    assert_true(of.layer->operations->prepare(of.layer));
    json_decref(map);
    make_slabs(&of);
    of.geometry = normd_batch_norm_geometry(normd_batch_norm_of(of.layer), &shape);
    of.x = values_random(type, &of.geometry, kind, state);
    of.dy = values_random(type, &of.geometry, DATA_NORMAL, state);
    if (random_below(state, 3) == 0) {
        of.mask = mask_random(&of.geometry, state);
        of.mask_shape.rank = shape.rank - 1;
        for (uint32_t axis = 0; axis < of.mask_shape.rank; axis++) {
            bool before = axis < (channels_last ? shape.rank - 1 : 1);
            of.mask_shape.dim[axis] = shape.dim[before ? axis : axis + 1];
        }
        for (size_t p = 0; p < of.geometry.outer * of.geometry.inner; p++) {
            of.positions += of.mask[p] != 0;
        }
    }
    return of;
}

static void setting_free(setting *of)
{
    normd_layer_destroy(of->layer);
    free(of->mask);
    free(of->x);
    free(of->dy);
    free(of->parameters);
    free(of->statistics);
}

static outcome outcome_of(const setting *of, normd_pool *pool, size_t last_cache)
{
    normd_compute compute = {.pool = pool,
        .kernels = kernels_of(normd_kernels_choose(NULL), of->type),
        .dtype = of->layer->dtype,
        .caches = {.second = last_cache, .last = last_cache}};
    normd_layer_need need = {0};
    of->layer->operations->need(of->layer, &of->shape, &need);
    size_t values = geometry_values(&of->geometry);
    outcome got = {
        .y = values_allocate(of->type, values),
        .dx = values_allocate(of->type, values),
        .gradients = memory_allocate(of->slab_bytes[NORMD_SLAB_PARAMETERS]),
        .statistics = copy_of(of->statistics, of->slab_bytes[NORMD_SLAB_STATISTICS]),
    };
    memset(got.gradients, 0, of->slab_bytes[NORMD_SLAB_PARAMETERS]);
    normd_layer_pass pass = {.compute = &compute,
        .layer = of->layer,
        .input_name = "x",
        .shape = of->shape,
        .y_shape = of->shape,
        .parameters = of->parameters,
        .statistics = of->statistics,
        .new_statistics = got.statistics,
        .mask = of->mask,
        .mask_shape = &of->mask_shape,
        .positions = of->positions,
        .x = of->x,
        .y = got.y,
        .kept = memory_allocate(need.kept),
        .scratch = memory_allocate(need.scratch),
        .dy = of->dy,
        .dx = got.dx,
        .gradients = got.gradients};
    normd_error error;
    assert_int_equal(of->layer->operations->forward(&pass, &error), NORMD_OK);
    of->layer->operations->backward(&pass);
    free(pass.kept);
    free(pass.scratch);
    return got;
}

static void outcome_free(outcome *of)
{
    free(of->y);
    free(of->dx);
    free(of->gradients);
    free(of->statistics);
}

static void check_same(const setting *of, const outcome *a, const outcome *b)
{
    size_t bytes = geometry_values(&of->geometry) * storage_bytes(of->type);
    assert_memory_equal(a->y, b->y, bytes);
    assert_memory_equal(a->dx, b->dx, bytes);
    assert_memory_equal(a->gradients, b->gradients, of->slab_bytes[NORMD_SLAB_PARAMETERS]);
    assert_memory_equal(a->statistics, b->statistics, of->slab_bytes[NORMD_SLAB_STATISTICS]);
}

enum { POOLS = 4 };

/* Every pool, every second one with stores past the caches; `turn` says which. */
static void check_setting(const setting *of, normd_pool *const *pools, size_t turn)
{
    outcome want = outcome_of(of, NULL, 0);
    for (size_t p = 0; p <= POOLS; p++) {
        outcome got = outcome_of(of, p == POOLS ? NULL : pools[p], (p + turn) % 2);
        check_same(of, &want, &got);
        outcome_free(&got);
    }
    outcome_free(&want);
}

typedef struct layout {
    normd_shape shape;
    bool channels_last;
    bool chunked; /* its tiles hold a part of the values of their channels */
} layout;

static const layout layouts[] = {
    {{2, {1200, 65}}, false, true},
    {{2, {40000, 1}}, false, true},
    {{2, {20, 4500}}, false, false},
    {{3, {30, 1500, 3}}, false, false},
    {{3, {700, 13, 7}}, false, true},
    {{4, {5, 130, 9, 11}}, false, false},
    {{4, {3, 2, 121, 103}}, false, true},
    {{4, {5, 31, 17, 27}}, true, true},
    {{3, {1, 1, 90001}}, false, true},
};

static void bits_do_not_depend_on_the_threads_or_the_caches(void **unused)
{
    (void)unused;
    const int threads[POOLS] = {1, 2, 3, 8};
    const data_kind kinds[] = {DATA_NORMAL, DATA_OFFSET_1E8, DATA_RELU};
    normd_pool *pools[POOLS];
    for (int p = 0; p < POOLS; p++) {
        pools[p] = normd_pool_create(threads[p]);
        assert_non_null(pools[p]);
    }
    uint64_t state = 71;
    for (size_t n = 0; n < STORAGES * sizeof layouts / sizeof layouts[0]; n++) {
        const layout *as = &layouts[n / STORAGES];
        storage type = (storage)(n % STORAGES);
        data_kind kind = kinds[random_below(&state, type == STORAGE_F16 ? 1 : 3)];
        setting of = setting_make(type, as->shape, as->channels_last, kind, &state);
        normd_tiling tiling = normd_tiling_of(&of.geometry);
        assert_int_equal(tiling.chunks > 1, as->chunked);
        assert_true(normd_tiling_tiles(&tiling) > 1);
        check_setting(&of, pools, n / STORAGES + n % STORAGES);
        setting_free(&of);
    }
    for (int p = 0; p < POOLS; p++) {
        normd_pool_destroy(pools[p]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bits_do_not_depend_on_the_threads_or_the_caches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
