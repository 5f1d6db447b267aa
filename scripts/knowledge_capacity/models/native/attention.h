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

// What attention keeps of a window for the way back. weights (heads, rows, rows) are those before they are divided by
// their sums, `inverses` (heads, rows) one over these; or both null, and the way back makes the weights again.
struct KeptWeights {
    float *weights, *inverses;
};

// exp(scores - top) of one row at position t, in place of its first n scores, and 0 behind t. Returns top and the sum.
struct Softmax {
    float top, total;
};
inline Softmax exponentiate(float *scores, long t, long n) {
    const long edge = t / WIDTH * WIDTH; // of the vector with the row's own position
    const vec last = first(load(scores + edge), t + 1 - edge, LOWEST);
    vec highest = last;
    for (long j = 0; j < edge; j += WIDTH) highest = larger(highest, load(scores + j));
    const float top = max(highest);
    vec weight = exp(last - top), total = weight;
    store(scores + edge, weight);
    for (long j = 0; j < edge; j += WIDTH) {
        weight = exp(load(scores + j) - top);
        store(scores + j, weight);
        total += weight;
    }
    for (long j = edge + WIDTH; j < n; j += WIDTH) store(scores + j, vec{});
    return {top, sum(total)};
}

// out: a vector of each query head for each position, rows `out_stride` apart. log_sums (heads, rows): of the scores;
// null if not wanted.
inline void attend(const Window &w, Projections<const float> in, float *out, long out_stride, float *log_sums,
                   KeptWeights kept = {}) {
    Scratch scratch;
    const Right keys = transposed_panels(scratch.take(w.rows * w.head_width), in.keys, in.stride, w, w.scale());
    float *passing = kept.weights ? nullptr : scratch.take(BLOCK * w.rows);
    for (long head = 0; head < w.heads; head++)
        for (long begin = 0; begin < w.rows; begin += BLOCK) {
            const long M = std::min(BLOCK, w.rows - begin), n = begin + M, from = head * w.rows + begin;
            const float *queries = in.queries + begin * in.stride + head * w.padded;
            float *scores = kept.weights ? kept.weights + from * w.rows : passing;
            multiply(M, n, w.head_width, rows_of(queries, in.stride), keys, scores, w.rows);
            float inverses[BLOCK];
            for (long i = 0; i < M; i++) {
                const Softmax of = exponentiate(scores + i * w.rows, begin + i, n);
                inverses[i] = 1.0f / of.total;
                if (log_sums) log_sums[from + i] = of.top + std::log(of.total);
            }
            if (kept.inverses) std::copy_n(inverses, M, kept.inverses + from);
            float *to = out + begin * out_stride + head * w.padded;
            multiply(M, w.padded, n, rows_of(scores, w.rows), {in.values, in.stride}, to, out_stride);
            for (long i = 0; i < M; i++) // the mixed values are divided, not the many more weights
                for (long j = 0; j < w.padded; j += WIDTH)
                    store(to + i * out_stride + j, load(to + i * out_stride + j) * inverses[i]);
        }
}

// The gradients of queries, keys and values from that of `out`. Weights are those kept, or made again from the scores
// and log_sums.
inline void attend_back(const Window &w, Projections<const float> in, const float *out, const float *dout,
                        long out_stride, const float *log_sums, KeptWeights kept, Projections<float> grads) {
    Scratch scratch;
    const long size = w.rows * w.head_width;
    const Right values = transposed_panels(scratch.take(size), in.values, in.stride, w, 1.0f);
    Right keys = {};
    if (!kept.weights) keys = transposed_panels(scratch.take(size), in.keys, in.stride, w, w.scale());
    float *passing = kept.weights ? nullptr : scratch.take(BLOCK * w.rows), *dscores = scratch.take(BLOCK * w.rows);
    for (long t = 0; t < w.rows; t++) {
        std::fill_n(grads.keys + t * grads.stride, w.padded, 0.0f);
        std::fill_n(grads.values + t * grads.stride, w.padded, 0.0f);
    }
    for (long head = 0; head < w.heads; head++)
        for (long begin = 0; begin < w.rows; begin += BLOCK) {
            const long M = std::min(BLOCK, w.rows - begin), n = begin + M, from = head * w.rows + begin;
            const float *queries = in.queries + begin * in.stride + head * w.padded;
            const float *mixed = out + begin * out_stride + head * w.padded;
            const float *dmixed = dout + begin * out_stride + head * w.padded;
            float *weights = kept.weights ? kept.weights + from * w.rows : passing;
            if (!kept.weights) multiply(M, n, w.head_width, rows_of(queries, in.stride), keys, weights, w.rows);
            multiply(M, n, w.head_width, rows_of(dmixed, out_stride), values, dscores, w.rows);
            for (long i = 0; i < M; i++) {
                float *p = weights + i * w.rows, *ds = dscores + i * w.rows;
                vec products = {};
                for (long j = 0; j < w.padded; j += WIDTH)
                    products += load(mixed + i * out_stride + j) * load(dmixed + i * out_stride + j);
                const float mean = sum(products);
                const long t = begin + i, edge = t / WIDTH * WIDTH;
                for (long j = 0; j <= edge; j += WIDTH) {
                    vec weight;
                    if (kept.weights)
                        weight = load(p + j) * kept.inverses[from + i];
                    else
                        weight = exp((j < edge ? load(p + j) : first(load(p + j), t + 1 - j, LOWEST)) - log_sums[from + i]);
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
            for (long j = 0; j < numbers; j += WIDTH)
                store(x + t * grads.stride + j, load(x + t * grads.stride + j) * w.scale());
    };
    scale(grads.queries, w.heads * w.padded);
    scale(grads.keys, w.padded);
}

} // namespace kernels
