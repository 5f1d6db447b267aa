// What is done row by row between matrix products: activations, norms, the loss.
//
// Rows have n numbers and lie `stride` apart. Where stride > n they are padded: what is written there is 0.
// Gradients of parameters are added to what is there.

#pragma once

#include <cmath>

#include "vectors.h"

namespace kernels {

// total (n,) += the sum of the rows
inline void add_rows(float *total, const float *x, long rows, long n, long stride) {
    for (long i = 0; i < rows; i++)
        for (long j = 0; j < n; j += WIDTH)
            store(total + j, load(total + j, n - j) + load(x + i * stride + j, n - j), n - j);
}

// ------------------------------------------------------------------------------------------ activations

// y = A(x + bias); bias may be null
template <class A>
void activate(const float *x, const float *bias, float *y, long rows, long n, long stride) {
    for (long i = 0; i < rows; i++)
        for (long j = 0; j < n; j += WIDTH) {
            vec v = load(x + i * stride + j, n - j);
            if (bias) v += load(bias + j, n - j);
            store(y + i * stride + j, A::both(v).value, stride - j);
        }
}

// dx from dy; grad_bias (n,) may be null
template <class A>
void activate_back(const float *dy, const float *x, const float *bias, float *dx, float *grad_bias, long rows, long n,
                   long stride) {
    for (long i = 0; i < rows; i++)
        for (long j = 0; j < n; j += WIDTH) {
            vec v = load(x + i * stride + j, n - j);
            if (bias) v += load(bias + j, n - j);
            vec d = load(dy + i * stride + j, n - j) * A::both(v).slope;
            store(dx + i * stride + j, d, stride - j);
            if (grad_bias) store(grad_bias + j, load(grad_bias + j, n - j) + d, n - j);
        }
}

// y = A(gate)·up, where a row of x is gate and, `stride` after it, up; rows of x lie 2·stride apart
template <class A> void gate(const float *x, float *y, long rows, long n, long stride) {
    for (long i = 0; i < rows; i++)
        for (long j = 0; j < n; j += WIDTH) {
            const float *g = x + i * 2 * stride + j;
            store(y + i * stride + j, A::both(load(g, n - j)).value * load(g + stride, n - j), stride - j);
        }
}

template <class A> void gate_back(const float *dy, const float *x, float *dx, long rows, long n, long stride) {
    for (long i = 0; i < rows; i++)
        for (long j = 0; j < n; j += WIDTH) {
            const float *g = x + i * 2 * stride + j;
            float *d = dx + i * 2 * stride + j;
            vec v = load(g, n - j), up = load(g + stride, n - j), dv = load(dy + i * stride + j, n - j);
            const Both at = A::both(v);
            store(d, dv * up * at.slope, stride - j);
            store(d + stride, dv * at.value, stride - j);
        }
}

// The same, forward, of padded rows; in place of x stands what `multiply_slopes` takes on the way back.
template <class A> void activate_keeping_slopes(float *x, float *y, long rows, long stride) {
    for (long i = 0; i < rows * stride; i += WIDTH) {
        const Both at = A::both(load(x + i));
        store(y + i, at.value);
        store(x + i, at.slope);
    }
}

template <class A> void gate_keeping_slopes(float *x, float *y, long rows, long stride) {
    for (long i = 0; i < rows; i++)
        for (long j = 0; j < stride; j += WIDTH) {
            float *g = x + i * 2 * stride + j;
            const Both at = A::both(load(g));
            const vec up = load(g + stride);
            store(y + i * stride + j, at.value * up);
            store(g, at.slope * up);
            store(g + stride, at.value);
        }
}

// dx (rows, parts, stride) = slopes, of the same shape, times dy (rows, stride)
inline void multiply_slopes(const float *dy, const float *slopes, float *dx, long rows, long parts, long stride) {
    for (long i = 0; i < rows; i++)
        for (long part = 0; part < parts; part++)
            for (long j = 0; j < stride; j += WIDTH) {
                const long at = (i * parts + part) * stride + j;
                store(dx + at, load(dy + i * stride + j) * load(slopes + at));
            }
}

// ------------------------------------------------------------------------------------------------- norm

// The parameters of a norm, RMSNorm where there is no bias; or where their gradients go, each null if unwanted.
template <class Float> struct NormParts {
    Float *weight, *bias, *update_bias;
};

// y = (x - mean)·weight/deviation + bias, without mean and bias where there is no bias; keeps mean and 1/deviation
// of each row in stats. With `update`, x is first x + update + update_bias, and stored in `total`.
inline void norm(const float *x, const float *update, NormParts<const float> of, float *total, float *y, float *stats,
                 float eps, long rows, long n, long stride) {
    const bool centred = of.bias;
    for (long i = 0; i < rows; i++) {
        const float *row = x + i * stride;
        vec sums = {}, squares = {};
        if (update) {
            for (long j = 0; j < n; j += WIDTH) {
                vec v = load(row + j, n - j) + load(update + i * stride + j, n - j);
                if (of.update_bias) v += load(of.update_bias + j, n - j);
                store(total + i * stride + j, v, stride - j);
                sums += v;
            }
            row = total + i * stride;
        } else if (centred) {
            for (long j = 0; j < n; j += WIDTH) sums += load(row + j, n - j);
        }
        const float mean = centred ? sum(sums) / n : 0.0f;
        for (long j = 0; j < n; j += WIDTH) {
            vec v = load_or(row + j, n - j, mean) - mean;
            squares += v * v;
        }
        const float scale = 1.0f / std::sqrt(sum(squares) / n + eps);
        stats[2 * i] = mean;
        stats[2 * i + 1] = scale;
        for (long j = 0; j < n; j += WIDTH) {
            vec v = (load(row + j, n - j) - mean) * scale * load(of.weight + j, n - j);
            if (centred) v += load(of.bias + j, n - j);
            store(y + i * stride + j, v, stride - j);
        }
    }
}

// dx = the norm's gradient, plus `dtotal` (of the sum itself) where there is one. x: what was normalised.
inline void norm_back(const float *dy, const float *dtotal, const float *x, const float *weight, const float *stats,
                      float *dx, NormParts<float> grads, bool centred, long rows, long n, long stride) {
    for (long i = 0; i < rows; i++) {
        const float mean = stats[2 * i], scale = stats[2 * i + 1];
        vec sums = {}, products = {};
        for (long j = 0; j < n; j += WIDTH) {
            const long m = n - j;
            vec g = load(dy + i * stride + j, m), v = (load(x + i * stride + j, m) - mean) * scale, gv = g * v;
            store(grads.weight + j, load(grads.weight + j, m) + gv, m);
            if (grads.bias) store(grads.bias + j, load(grads.bias + j, m) + g, m);
            vec w = load(weight + j, m);
            sums += g * w;
            products += gv * w;
        }
        const float along = sum(products) / n, constant = centred ? sum(sums) / n : 0.0f;
        for (long j = 0; j < n; j += WIDTH) {
            const long m = n - j;
            vec v = (load(x + i * stride + j, m) - mean) * scale;
            vec r = (load(dy + i * stride + j, m) * load(weight + j, m) - constant - v * along) * scale;
            if (m < WIDTH) r = first(r, m, 0.0f);
            if (dtotal) r += load(dtotal + i * stride + j, m);
            store(dx + i * stride + j, r, stride - j);
            if (grads.update_bias) store(grads.update_bias + j, load(grads.update_bias + j, m) + r, m);
        }
    }
}

// ------------------------------------------------------------------------------------------------- loss

// Cross entropy of one row of n logits, turned into its gradient times `by` in place, unless `by` is 0.
inline float cross_entropy(float *logits, long target, float by, long n) {
    vec tops = all(LOWEST);
    for (long j = 0; j < n; j += WIDTH) tops = larger(tops, load_or(logits + j, n - j, LOWEST));
    const float top = max(tops), chosen = logits[target];
    vec totals = {};
    for (long j = 0; j < n; j += WIDTH) {
        vec p = exp(load_or(logits + j, n - j, LOWEST) - top);
        if (by) store(logits + j, p, n - j);
        totals += p;
    }
    const float total = sum(totals);
    if (by) {
        const float scale = by / total;
        for (long j = 0; j < n; j += WIDTH) store(logits + j, load(logits + j, n - j) * scale, n - j);
        logits[target] -= by;
    }
    return std::log(total) + top - chosen;
}

} // namespace kernels
