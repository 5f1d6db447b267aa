// The C++ of the decoder on a processor, in float32: fused operations for autograd, and whole training steps.
//
// native.py builds this file and reads the names of structures, functions and arguments from its source and its
// headers, so that each is spelled once. All arrays are contiguous and row-major. Work is cut into tasks by shape
// alone and every sum over tasks is taken in their order, so results do not depend on the number of threads.
// Nothing assumes finite numbers: NaN and infinity in an input reach the output.

#include "decoder.h"

namespace {

using namespace kernels;

constexpr long TASK_ROWS = 64; // rows of a task, where tasks are runs of rows

// task(i, begin, end) for runs of `size` of n rows
template <class Task> void over_rows(long n, long threads, Task task, long size = TASK_ROWS) {
    parallel((n + size - 1) / size, threads, [&](long i) { task(i, i * size, std::min(n, (i + 1) * size)); });
}

// Sums over rows: each run of rows adds to zeros of its own, and those are added up in order into `to` (m,).
template <class Task> void sum_over_rows(float *to, long m, long n, long threads, Task task) {
    const long tasks = (n + TASK_ROWS - 1) / TASK_ROWS;
    std::vector<float> partial(tasks * m);
    over_rows(n, threads, [&](long i, long begin, long end) { task(partial.data() + i * m, begin, end); });
    std::fill_n(to, m, 0.0f);
    for (long i = 0; i < tasks; i++)
        for (long j = 0; j < m; j++) to[j] += partial[i * m + j];
}

// The vectors of one key-value head and its query heads, padded, in memory of their own.
struct Gathered {
    const long window, D, heads, groups, each, padded_width, stride;

    Gathered(long window, long D, long heads, long groups)
        : window(window), D(D), heads(heads), groups(groups), each(heads / groups), padded_width(padded(D, WIDTH)),
          stride((each + 2) * padded_width) {}

    long rows() const { return padded(window, ROWS); }
    Window shape() const { return {rows(), each, D, padded_width}; }
    Projections<float> parts(float *x) const {
        return {x, x + each * padded_width, x + (each + 1) * padded_width, stride};
    }
    Projections<const float> parts(const float *x) const {
        return {x, x + each * padded_width, x + (each + 1) * padded_width, stride};
    }

    // Which head of `joint` stands at place i.
    long source(long group, long i) const {
        return i < each ? group * each + i : heads + (i - each) * groups + group;
    }

    // to (rows, stride) ← a window of joint, plus bias
    void gather(float *to, const float *joint, const float *bias, long group) const {
        std::fill_n(to, rows() * stride, 0.0f);
        for (long i = 0; i < each + 2; i++) {
            const long head = source(group, i) * D;
            for (long t = 0; t < window; t++)
                for (long j = 0; j < D; j += WIDTH) {
                    vec x = load(joint + t * (heads + 2 * groups) * D + head + j, D - j);
                    if (bias) x += load(bias + head + j, D - j);
                    store(to + t * stride + i * padded_width + j, x);
                }
        }
    }

    // the reverse; and the sum over positions into `total`, where wanted
    void scatter(float *joint, float *total, const float *from, long group) const {
        for (long i = 0; i < each + 2; i++) {
            const long head = source(group, i) * D;
            if (total) std::fill_n(total + head, D, 0.0f);
            for (long t = 0; t < window; t++)
                for (long j = 0; j < D; j += WIDTH) {
                    vec x = load(from + t * stride + i * padded_width + j);
                    store(joint + t * (heads + 2 * groups) * D + head + j, x, D - j);
                    if (total) store(total + head + j, load(total + head + j, D - j) + x, D - j);
                }
        }
    }

    // to (rows, each · padded_width) ← a window of mixed values (window, heads · D), or back
    void gather_mixed(float *to, const float *mixed, long group) const {
        std::fill_n(to, rows() * each * padded_width, 0.0f);
        for (long t = 0; t < window; t++)
            for (long i = 0; i < each; i++)
                std::copy_n(mixed + (t * heads + group * each + i) * D, D, to + (t * each + i) * padded_width);
    }
    void scatter_mixed(float *mixed, const float *from, long group) const {
        for (long t = 0; t < window; t++)
            for (long i = 0; i < each; i++)
                std::copy_n(from + (t * each + i) * padded_width, D, mixed + (t * heads + group * each + i) * D);
    }
};

} // namespace

// --------------------------------------------------------------- what native.py calls; pointers may be null

extern "C" {

void use_pool(void *found) { pool = Pool(found); }

// joint (batch, window, (heads + 2·groups)·D), bias of its last axis or null → out (batch, window, heads·D)
// and log_sums (batch, heads, window)
void attention_forward(const float *joint, const float *bias, const float *cos, const float *sin, float *out,
                       float *log_sums, long batch, long window, long heads, long groups, long D, long rotated,
                       long threads) {
    const Gathered g(window, D, heads, groups);
    const Rotary rotary = {cos, sin, rotated, window};
    parallel(batch * groups, threads, [&](long task) {
        const long b = task / groups, group = task % groups, rows = g.rows();
        Scratch scratch;
        float *x = scratch.take(rows * g.stride), *mixed = scratch.take(rows * g.each * g.padded_width);
        float *sums = scratch.take(g.each * rows);
        g.gather(x, joint + b * window * (heads + 2 * groups) * D, bias, group);
        rotary.rotate(x, g.each + 1, g.padded_width, g.stride);
        attend(g.shape(), g.parts(static_cast<const float *>(x)), mixed, g.each * g.padded_width, sums);
        g.scatter_mixed(out + b * window * heads * D, mixed, group);
        for (long i = 0; i < g.each; i++)
            std::copy_n(sums + i * rows, window, log_sums + (b * heads + group * g.each + i) * window);
    });
}

// grad_bias (batch, (heads + 2·groups)·D): for each window of the batch; null without bias
void attention_backward(const float *grad, const float *joint, const float *bias, const float *cos, const float *sin,
                        const float *out, const float *log_sums, float *grad_joint, float *grad_bias, long batch,
                        long window, long heads, long groups, long D, long rotated, long threads) {
    const Gathered g(window, D, heads, groups);
    const Rotary rotary = {cos, sin, rotated, window};
    parallel(batch * groups, threads, [&](long task) {
        const long b = task / groups, group = task % groups, rows = g.rows();
        const long wide = g.each * g.padded_width, in_joint = b * window * (heads + 2 * groups) * D;
        Scratch scratch;
        float *x = scratch.take(rows * g.stride), *dx = scratch.take(rows * g.stride);
        float *mixed = scratch.take(rows * wide), *dmixed = scratch.take(rows * wide);
        float *sums = scratch.zeros(g.each * rows);
        g.gather(x, joint + in_joint, bias, group);
        rotary.rotate(x, g.each + 1, g.padded_width, g.stride);
        g.gather_mixed(mixed, out + b * window * heads * D, group);
        g.gather_mixed(dmixed, grad + b * window * heads * D, group);
        for (long i = 0; i < g.each; i++)
            std::copy_n(log_sums + (b * heads + group * g.each + i) * window, window, sums + i * rows);
        attend_back(g.shape(), g.parts(static_cast<const float *>(x)), mixed, dmixed, wide, sums, {}, g.parts(dx));
        rotary.rotate_back(dx, g.each + 1, g.padded_width, g.stride);
        g.scatter(grad_joint + in_joint, grad_bias ? grad_bias + b * (heads + 2 * groups) * D : nullptr, dx, group);
    });
}

void activate_forward(const float *x, const float *bias, float *y, long n, long m, long silu, long threads) {
    over_rows(n, threads, [&](long, long begin, long end) {
        (silu ? activate<Silu> : activate<Gelu>)(x + begin * m, bias, y + begin * m, end - begin, m, m);
    });
}

// grad_bias (m,): null where there is no bias
void activate_backward(const float *grad, const float *x, const float *bias, float *grad_x, float *grad_bias, long n,
                       long m, long silu, long threads) {
    auto back = [&](float *total, long begin, long end) {
        (silu ? activate_back<Silu> : activate_back<Gelu>)(grad + begin * m, x + begin * m, bias, grad_x + begin * m,
                                                            total, end - begin, m, m);
    };
    if (grad_bias)
        sum_over_rows(grad_bias, m, n, threads, back);
    else
        over_rows(n, threads, [&](long, long begin, long end) { back(nullptr, begin, end); });
}

void gate_forward(const float *x, float *y, long n, long m, long silu, long threads) {
    over_rows(n, threads, [&](long, long begin, long end) {
        (silu ? gate<Silu> : gate<Gelu>)(x + begin * 2 * m, y + begin * m, end - begin, m, m);
    });
}

void gate_backward(const float *grad, const float *x, float *grad_x, long n, long m, long silu, long threads) {
    over_rows(n, threads, [&](long, long begin, long end) {
        (silu ? gate_back<Silu> : gate_back<Gelu>)(grad + begin * m, x + begin * 2 * m, grad_x + begin * 2 * m,
                                                    end - begin, m, m);
    });
}

void norm_forward(const float *x, const float *update, const float *update_bias, const float *weight, const float *bias,
                  float *total, float *normed, float *stats, long n, long d, float epsilon, long threads) {
    over_rows(n, threads, [&](long, long begin, long end) {
        const long from = begin * d;
        norm(x + from, update ? update + from : nullptr, {weight, bias, update_bias}, total ? total + from : nullptr,
             normed + from, stats + 2 * begin, epsilon, end - begin, d, d);
    });
}

// grads (3, d): of weight, bias and update_bias
void norm_backward(const float *grad, const float *grad_total, const float *total, const float *weight,
                   const float *stats, float *grad_x, float *grads, long n, long d, long centred, long updated,
                   long threads) {
    sum_over_rows(grads, 3 * d, n, threads, [&](float *to, long begin, long end) {
        const long from = begin * d;
        norm_back(grad + from, grad_total ? grad_total + from : nullptr, total + from, weight, stats + 2 * begin,
                  grad_x + from, {to, centred ? to + d : nullptr, updated ? to + 2 * d : nullptr}, centred, end - begin,
                  d, d);
    });
}

// Losses (n,) of logits (n, V), which become their gradients where `differentiate`; both are zero where the
// target is `ignored`. Returns how many targets are no token.
long cross_entropy_rows(float *logits, const int64_t *targets, float *losses, long n, long V, long ignored,
                        long differentiate, long threads) {
    std::atomic<long> wrong{0};
    auto task = [&](long, long begin, long end) {
        for (long i = begin; i < end; i++) {
            const bool counts = targets[i] >= 0 && targets[i] < V;
            losses[i] = counts ? cross_entropy(logits + i * V, targets[i], differentiate ? 1.0f : 0.0f, V) : 0.0f;
            if (!counts && targets[i] != ignored) wrong++;
            if (!counts && differentiate) std::fill(logits + i * V, logits + (i + 1) * V, 0.0f);
        }
    };
    over_rows(n, threads, task, 8); // there may be few rows, and they are long
    return wrong;
}

// A decoder whose parameters stay where they are until it is closed.
void *open_decoder(const Shape *shape, const ModelParameters *parameters, const LayerParameters *layers) {
    return new Decoder(*shape, *parameters, layers);
}

void close_decoder(void *decoder) { delete static_cast<Decoder *>(decoder); }

// Training steps on inputs and targets (steps, batch, window), with a learning rate for each; cos and sin (window,
// rotated). count: updates before. losses (steps,): mean nats a token. Returns how many inputs or targets are no
// token (nor `ignored`, of targets); then nothing was done.
long train_decoder(void *decoder, const AdamW *rule, const int64_t *inputs, const int64_t *targets, const double *rates,
                   const float *cos, const float *sin, double *losses, long steps, long batch, long window, long count,
                   long ignored, long threads) {
    Decoder &model = *static_cast<Decoder *>(decoder);
    const long size = batch * window;
    long wrong = 0;
    for (long i = 0; i < steps * size; i++)
        wrong += !model.is_token(inputs[i]) + !(model.is_token(targets[i]) || targets[i] == ignored);
    for (long i = 0; i < steps && !wrong; i++)
        losses[i] = model.step(inputs + i * size, targets + i * size, batch, window, cos, sin, *rule, rates[i],
                               count + i + 1, threads);
    return wrong;
}
}
