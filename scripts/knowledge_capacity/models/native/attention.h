// Causal attention with rotary positions, of the query heads that share a key-value head.

#pragma once

#include <cmath>

#include "products.h"
#include "threads.h"

namespace kernels {

constexpr long BLOCK = 32; // query rows whose scores are in the cache at a time; a multiple of ROWS

// One window. Vectors of a head are padded to `padded` numbers, which are 0 there; rows to a multiple of ROWS.
struct Window {
    long rows, heads, head_width, padded; // heads: those of the queries, for one of keys and values
    float scale() const { return 1.0f / std::sqrt(float(head_width)); }
};

// Of each position: a vector of each query head (one after the other), key and value. Rows lie `stride` apart.
template <class Float> struct Projections {
    Float *queries, *keys, *values;
    long stride;
};

// Angles of a window: cosines and sines (positions, rotated), twice the same half.
struct Rotary {
    const float *cos, *sin;
    long rotated, positions;

    // In place: x·cos + rotate_half(x)·sin of `heads` vectors of each row; padding rows stay.
    void rotate(float *x, long heads, long padded, long stride) const {
        const long half = rotated / 2;
        for (long t = 0; t < positions; t++) {
            const float *c = cos + t * rotated, *s = sin + t * rotated;
            for (long i = 0; i < heads; i++) {
                float *a = x + t * stride + i * padded, *b = a + half;
                for (long j = 0; j < half; j++) {
                    const float one = a[j], two = b[j];
                    a[j] = one * c[j] - two * s[j];
                    b[j] = two * c[j + half] + one * s[j + half];
                }
            }
        }
    }

    // In place: the transpose of rotate, which carries gradients back.
    void rotate_back(float *x, long heads, long padded, long stride) const {
        const long half = rotated / 2;
        for (long t = 0; t < positions; t++) {
            const float *c = cos + t * rotated, *s = sin + t * rotated;
            for (long i = 0; i < heads; i++) {
                float *a = x + t * stride + i * padded, *b = a + half;
                for (long j = 0; j < half; j++) {
                    const float one = a[j], two = b[j];
                    a[j] = one * c[j] + two * s[j + half];
                    b[j] = two * c[j + half] - one * s[j];
                }
            }
        }
    }
};

// Panels of the right side (head_width, rows): the transpose of keys or values, times `by`.
inline Right transposed_panels(float *to, const float *from, long stride, const Window &w, float by) {
    for (long panel = 0; panel < w.rows; panel += PANEL) {
        const long width = std::min(PANEL, w.rows - panel);
        float *part = to + panel * w.head_width;
        for (long t = 0; t < width; t++)
            for (long k = 0; k < w.head_width; k++) part[k * width + t] = by * from[(panel + t) * stride + k];
    }
    return {to, 0};
}

// out: a vector of each query head for each position, rows `out_stride` apart. log_sums (heads, rows): of the scores.
inline void attend(const Window &w, Projections<const float> in, float *out, long out_stride, float *log_sums) {
    Scratch scratch;
    const Right keys = transposed_panels(scratch.take(w.rows * w.head_width), in.keys, in.stride, w, w.scale());
    float *scores = scratch.take(BLOCK * w.rows);
    for (long head = 0; head < w.heads; head++)
        for (long begin = 0; begin < w.rows; begin += BLOCK) {
            const long M = std::min(BLOCK, w.rows - begin), n = begin + M;
            const float *queries = in.queries + begin * in.stride + head * w.padded;
            multiply(M, n, w.head_width, rows_of(queries, in.stride), keys, scores, w.rows);
            float totals[BLOCK];
            for (long i = 0; i < M; i++) {
                float *s = scores + i * w.rows;
                const long edge = (begin + i) / WIDTH * WIDTH; // of the vector with the row's own position
                const vec last = first(load(s + edge), begin + i + 1 - edge, LOWEST);
                vec highest = last;
                for (long j = 0; j < edge; j += WIDTH) highest = larger(highest, load(s + j));
                const float top = max(highest);
                vec weight = exp(last - top), total = weight;
                store(s + edge, weight);
                for (long j = 0; j < edge; j += WIDTH) {
                    weight = exp(load(s + j) - top);
                    store(s + j, weight);
                    total += weight;
                }
                for (long j = edge + WIDTH; j < n; j += WIDTH) store(s + j, vec{});
                totals[i] = sum(total);
                log_sums[head * w.rows + begin + i] = top + std::log(totals[i]);
            }
            float *to = out + begin * out_stride + head * w.padded;
            multiply(M, w.padded, n, rows_of(scores, w.rows), {in.values, in.stride}, to, out_stride);
            for (long i = 0; i < M; i++) { // of the mixed values, not of the many more weights
                const float inverse = 1.0f / totals[i];
                for (long j = 0; j < w.padded; j += WIDTH)
                    store(to + i * out_stride + j, load(to + i * out_stride + j) * inverse);
            }
        }
}

// The gradients of queries, keys and values from that of `out`: weights are made again from the scores and log_sums.
inline void attend_back(const Window &w, Projections<const float> in, const float *out, const float *dout,
                        long out_stride, const float *log_sums, Projections<float> grads) {
    Scratch scratch;
    const long size = w.rows * w.head_width;
    const Right keys = transposed_panels(scratch.take(size), in.keys, in.stride, w, w.scale());
    const Right values = transposed_panels(scratch.take(size), in.values, in.stride, w, 1.0f);
    float *weights = scratch.take(BLOCK * w.rows), *dscores = scratch.take(BLOCK * w.rows);
    for (long t = 0; t < w.rows; t++) {
        std::fill_n(grads.keys + t * grads.stride, w.padded, 0.0f);
        std::fill_n(grads.values + t * grads.stride, w.padded, 0.0f);
    }
    for (long head = 0; head < w.heads; head++)
        for (long begin = 0; begin < w.rows; begin += BLOCK) {
            const long M = std::min(BLOCK, w.rows - begin), n = begin + M;
            const float *queries = in.queries + begin * in.stride + head * w.padded;
            const float *mixed = out + begin * out_stride + head * w.padded;
            const float *dmixed = dout + begin * out_stride + head * w.padded;
            multiply(M, n, w.head_width, rows_of(queries, in.stride), keys, weights, w.rows);
            multiply(M, n, w.head_width, rows_of(dmixed, out_stride), values, dscores, w.rows);
            for (long i = 0; i < M; i++) {
                float *p = weights + i * w.rows, *ds = dscores + i * w.rows;
                const float log_sum = log_sums[head * w.rows + begin + i];
                vec products = {};
                for (long j = 0; j < w.padded; j += WIDTH)
                    products += load(mixed + i * out_stride + j) * load(dmixed + i * out_stride + j);
                const float mean = sum(products);
                const long edge = (begin + i) / WIDTH * WIDTH;
                vec weight = exp(first(load(p + edge), begin + i + 1 - edge, LOWEST) - log_sum);
                store(p + edge, weight);
                store(ds + edge, weight * (load(ds + edge) - mean));
                for (long j = 0; j < edge; j += WIDTH) {
                    weight = exp(load(p + j) - log_sum);
                    store(p + j, weight);
                    store(ds + j, weight * (load(ds + j) - mean));
                }
                for (long j = edge + WIDTH; j < n; j += WIDTH) {
                    store(p + j, vec{});
                    store(ds + j, vec{});
                }
            }
            float *dqueries = grads.queries + begin * grads.stride + head * w.padded;
            multiply(n, w.padded, M, transpose_of(weights, w.rows), {dmixed, out_stride}, grads.values, grads.stride,
                     Begin::RESULT);
            multiply(n, w.padded, M, transpose_of(dscores, w.rows), {queries, in.stride}, grads.keys, grads.stride,
                     Begin::RESULT);
            multiply(M, w.padded, n, rows_of(dscores, w.rows), {in.keys, in.stride}, dqueries, grads.stride);
        }
    auto scale = [&](float *x, long numbers) {
        for (long t = 0; t < w.rows; t++)
            for (long j = 0; j < numbers; j += WIDTH) store(x + t * grads.stride + j, load(x + t * grads.stride + j) * w.scale());
    };
    scale(grads.queries, w.heads * w.padded);
    scale(grads.keys, w.padded);
}

} // namespace kernels
