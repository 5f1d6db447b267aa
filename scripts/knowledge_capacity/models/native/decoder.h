// Training steps of the decoder: loss, gradients and AdamW, a window at a time, so that activations stay in the cache.
//
// Rows are positions of a window, padded to a multiple of ROWS; each row is padded to whole vectors, per head where
// there are heads. Windows belong to groups by shape alone; a group adds up its gradients window by window, and the
// sums of the groups are added in their order. So results depend neither on how many threads there are, nor on which
// of them takes a group.

#pragma once

#include <cstdint>

#include "attention.h"
#include "rowwise.h"

namespace kernels {

// A tensor of the model: its values, and one array of the same size for each of the others. All null: it has none.
struct Parameter {
    float *value, *gradient, *mean, *square;
};

struct LayerParameters {
    Parameter attention_norm_weight, attention_norm_bias, attention_joint_weight, attention_joint_bias,
        attention_out_weight, attention_out_bias, mlp_norm_weight, mlp_norm_bias, mlp_inner_weight, mlp_inner_bias,
        mlp_outer_weight, mlp_outer_bias;
};

struct ModelParameters {
    Parameter embedding_weight, final_norm_weight, final_norm_bias, head_weight;
};

// inner: 0 without MLP. rotated: dimensions of each head. epsilon: of the norms.
struct Shape {
    long layers, width, heads, groups, head_width, rotated, inner, gated, silu, vocabulary;
    float epsilon;
};

// Weight decay is for matrices. With `update` 0 nothing is updated, and the gradients are kept.
struct AdamW {
    double beta1, beta2, epsilon, weight_decay;
    long update;
};

// `count` blocks of `size` numbers, each padded to `padded`: the rows or the columns of a matrix.
struct Axis {
    long count, size, padded;
    Axis(long count, long size) : count(count), size(size), padded(kernels::padded(size, WIDTH)) {}
    long real() const { return count * size; }
    long all() const { return count * padded; }
    long used() const { return count == 1 ? size : all(); } // up to the last number that is not padding
};

// A matrix (rows, columns), its places in memory, and what it is multiplied with. A vector is a matrix of one row.
struct Matrix {
    Parameter of;
    Axis rows, columns;
    bool is_matrix;
    long offset;          // of its gradient in that of all parameters, padded (rows, columns)
    float *across, *back; // panels: x·Wᵀ is across, dy·W is back
    long size() const { return (is_matrix ? rows.all() : 1) * columns.all(); }
    explicit operator bool() const { return of.value; }
    Right forward() const { return {across, 0}; }
    Right backward() const { return {back, 0}; }

    // place(real row, padded row, real column, padded column, how many columns lie together)
    template <class Each> void each_stretch(Each each) const {
        for (long a = 0; a < rows.count; a++)
            for (long i = 0; i < rows.size; i++)
                for (long b = 0; b < columns.count; b++)
                    each((a * rows.size + i) * columns.real() + b * columns.size,
                         (a * rows.padded + i) * columns.all() + b * columns.padded, columns.size);
    }

    void pack() const {
        const long K = columns.used(), N = rows.all(), K_back = rows.used(), N_back = columns.all();
        each_stretch([&](long from, long to, long n) {
            const float *values = of.value + from;
            const long row = to / N_back, column = to % N_back;
            float *down = across + panel_place(column, row, K, N);
            const long step = panel_width(row, N);
            for (long j = 0; j < n; j++) down[j * step] = values[j];
            for (long j = 0; j < n;) {
                const long together = std::min(n - j, PANEL - (column + j) % PANEL);
                std::copy_n(values + j, together, back + panel_place(row, column + j, K_back, N_back));
                j += together;
            }
        });
    }
};

struct Layer {
    Matrix attention_norm, attention_norm_bias, joint, joint_bias, out, out_bias, mlp_norm, mlp_norm_bias, inner,
        inner_bias, outer, outer_bias;
};

// What a layer keeps of a window for the way back.
struct Kept {
    float *total, *normed, *stats, *joint, *mixed, *weights, *inverses, *log_sums; // attention
    float *mlp_total, *mlp_normed, *mlp_stats, *inner, *active;
};

constexpr long GROUP_TOKENS = 128; // of a batch, at least, for each group of windows
constexpr long MOST_GROUPS = 8;
constexpr long GROUP_MEMORY = 1 << 24; // floats of the gradients of all groups, at most, where there are several
constexpr long LOGITS = 1 << 16;       // at a time
constexpr long KEPT_WEIGHTS = 1 << 16; // of attention, of each head, at most; else they are made again

class Decoder {
    const Shape shape;
    const Axis single{1, 1}, width{1, shape.width}, joined{shape.heads + 2 * shape.groups, shape.head_width},
        mixed{shape.heads, shape.head_width}, inner{1, shape.inner}, inners{shape.gated ? 2 : 1, shape.inner},
        words{1, shape.vocabulary};
    std::vector<float> panels, gradients;
    std::vector<Matrix *> matrices;
    std::vector<Layer> layers;
    Matrix embedding, final_norm, final_norm_bias, head;
    long n_gradients = 0;

    Matrix matrix(Parameter of, Axis rows, Axis columns) { return {of, rows, columns, true, 0, nullptr, nullptr}; }
    Matrix vector(Parameter of, Axis columns) { return {of, single, columns, false, 0, nullptr, nullptr}; }

    const Matrix &output() const { return head ? head : embedding; }

    void place_matrices() {
        auto add = [&](Matrix &m) {
            if (m) matrices.push_back(&m);
        };
        add(embedding);
        for (Layer &l : layers)
            for (Matrix *m : {&l.attention_norm, &l.attention_norm_bias, &l.joint, &l.joint_bias, &l.out, &l.out_bias,
                              &l.mlp_norm, &l.mlp_norm_bias, &l.inner, &l.inner_bias, &l.outer, &l.outer_bias})
                add(*m);
        add(final_norm), add(final_norm_bias), add(head);
        long n_panels = 0;
        for (Matrix *m : matrices) {
            m->offset = n_gradients;
            n_gradients += padded(m->size(), 16);
            if (m->is_matrix) n_panels += m->columns.used() * m->rows.all() + m->rows.used() * m->columns.all();
        }
        panels.resize(n_panels); // zeros, which padding stays
        float *next = panels.data();
        for (Matrix *m : matrices)
            if (m->is_matrix) {
                m->across = next;
                m->back = next += m->columns.used() * m->rows.all();
                next += m->rows.used() * m->columns.all();
            }
    }

  public:
    Decoder(const Shape &s, const ModelParameters &p, const LayerParameters *each)
        : shape(s), embedding(matrix(p.embedding_weight, words, width)),
          final_norm(vector(p.final_norm_weight, width)), final_norm_bias(vector(p.final_norm_bias, width)),
          head(matrix(p.head_weight, words, width)) {
        for (const LayerParameters *l = each; l < each + s.layers; l++)
            layers.push_back({vector(l->attention_norm_weight, width), vector(l->attention_norm_bias, width),
                              matrix(l->attention_joint_weight, joined, width), vector(l->attention_joint_bias, joined),
                              matrix(l->attention_out_weight, width, mixed), vector(l->attention_out_bias, width),
                              vector(l->mlp_norm_weight, width), vector(l->mlp_norm_bias, width),
                              matrix(l->mlp_inner_weight, inners, width), vector(l->mlp_inner_bias, inners),
                              matrix(l->mlp_outer_weight, width, inner), vector(l->mlp_outer_bias, width)});
        place_matrices();
    }

    // One step on inputs and targets (batch, window); cos and sin (window, rotated). Targets that are no token count
    // for nothing. count: of updates, this one included. Returns the mean loss in nats a token.
    double step(const int64_t *inputs, const int64_t *targets, long batch, long window, const float *cos,
                const float *sin, const AdamW &rule, double rate, long count, long threads) {
        long n_targets = 0;
        for (long i = 0; i < batch * window; i++) n_targets += is_token(targets[i]);
        long groups = std::min({batch, MOST_GROUPS, std::max(1L, batch * window / GROUP_TOKENS)});
        groups = std::max(1L, std::min(groups, GROUP_MEMORY / n_gradients));
        if (long(gradients.size()) < groups * n_gradients) gradients.resize(groups * n_gradients);
        parallel(matrices.size(), threads, [&](long i) {
            if (matrices[i]->is_matrix) matrices[i]->pack();
        });
        double losses[MOST_GROUPS] = {};
        const Rotary rotary = {cos, sin, shape.rotated, window};
        parallel(groups, threads, [&](long group) {
            float *grads = gradients.data() + group * n_gradients;
            std::fill_n(grads, n_gradients, 0.0f);
            for (long i = group * batch / groups; i < (group + 1) * batch / groups; i++)
                losses[group] += window_loss(inputs + i * window, targets + i * window, rotary, grads, 1.0f / n_targets);
        });
        parallel(matrices.size(), threads, [&](long i) { update(*matrices[i], groups, rule, rate, count); });
        double loss = 0.0;
        for (long group = 0; group < groups; group++) loss += losses[group];
        return loss / n_targets;
    }

    bool is_token(int64_t token) const { return token >= 0 && token < shape.vocabulary; }

  private:
    // y = x·Wᵀ + bias; x (rows, columns of W) → y (rows, rows of W)
    void linear(const float *x, const Matrix &w, const Matrix *bias, float *y, long rows) const {
        Scratch scratch;
        const float *first = nullptr;
        if (bias && *bias) {
            float *row = scratch.zeros(w.rows.all());
            bias->each_stretch([&](long from, long to, long n) { std::copy_n(bias->of.value + from, n, row + to); });
            first = row;
        }
        multiply(rows, w.rows.all(), w.columns.used(), rows_of(x, w.columns.all()), w.forward(), y, w.rows.all(),
                 first ? Begin::ROW : Begin::ZERO, first);
    }

    // dx from dy; and the gradients of W and bias, added to `grads`
    void linear_back(const float *dy, const float *x, const Matrix &w, const Matrix *bias, float *dx, float *grads,
                     long rows) const {
        const long out = w.rows.all(), in = w.columns.all();
        multiply(rows, in, w.rows.used(), rows_of(dy, out), w.backward(), dx, in);
        add_product(dy, x, w, grads, rows);
        if (bias && *bias) add_rows(grads + bias->offset, dy, rows, out, out);
    }

    // the gradient of W += dyᵀ·x, a few rows at a time, which stay in the cache
    void add_product(const float *dy, const float *x, const Matrix &w, float *grads, long rows) const {
        const long out = w.rows.all(), in = w.columns.all();
        for (long i = 0; i < rows; i += 128)
            multiply(out, in, std::min(128L, rows - i), transpose_of(dy + i * out, out), {x + i * in, in},
                     grads + w.offset, in, Begin::RESULT);
    }

    void normalise(const float *x, const float *update, const Matrix *update_bias, const Matrix &weight,
                   const Matrix &bias, float *total, float *normed, float *stats, long rows) const {
        norm(x, update, {weight.of.value, bias.of.value, update_bias ? update_bias->of.value : nullptr}, total, normed,
             stats, shape.epsilon, rows, shape.width, width.all());
    }

    // in place of dtotal; dtotal is null for the final norm
    void normalise_back(const float *dnormed, const float *dtotal, const float *total, const float *stats,
                        const Matrix *update_bias, const Matrix &weight, const Matrix &bias, float *dx, float *grads,
                        long rows) const {
        auto place = [&](const Matrix *m) { return m && *m ? grads + m->offset : nullptr; };
        norm_back(dnormed, dtotal, total, weight.of.value, stats, dx,
                  {place(&weight), place(&bias), place(update_bias)}, bool(bias), rows, shape.width, width.all());
    }

    Projections<float> projections(float *joint, long group) const {
        const long each = shape.heads / shape.groups, head = joined.padded;
        return {joint + group * each * head, joint + (shape.heads + group) * head,
                joint + (shape.heads + shape.groups + group) * head, joined.all()};
    }

    static Projections<const float> constant(Projections<float> p) { return {p.queries, p.keys, p.values, p.stride}; }

    static KeptWeights kept_weights(const Kept &k, long head, long rows) {
        if (!k.weights) return {};
        return {k.weights + head * rows * rows, k.inverses + head * rows};
    }

    void attention(const Layer &l, const Kept &k, const Rotary &rotary, long rows) const {
        linear(k.normed, l.joint, &l.joint_bias, k.joint, rows);
        rotary.rotate(k.joint, shape.heads + shape.groups, joined.padded, joined.all());
        const long each = shape.heads / shape.groups;
        for (long group = 0; group < shape.groups; group++)
            attend({rows, each, shape.head_width, joined.padded}, constant(projections(k.joint, group)),
                   k.mixed + group * each * joined.padded, mixed.all(), k.log_sums ? k.log_sums + group * each * rows : nullptr,
                   kept_weights(k, group * each, rows));
    }

    void attention_back(const Layer &l, const Kept &k, const Rotary &rotary, const float *dupdate, float *dnormed,
                        float *grads, long rows) const {
        Scratch scratch;
        float *dmixed = scratch.take(rows * mixed.all()), *djoint = scratch.take(rows * joined.all());
        linear_back(dupdate, k.mixed, l.out, nullptr, dmixed, grads, rows);
        const long each = shape.heads / shape.groups;
        for (long group = 0; group < shape.groups; group++) {
            const long head = group * each * joined.padded;
            attend_back({rows, each, shape.head_width, joined.padded}, constant(projections(k.joint, group)),
                        k.mixed + head, dmixed + head, mixed.all(),
                        k.log_sums ? k.log_sums + group * each * rows : nullptr, kept_weights(k, group * each, rows),
                        projections(djoint, group));
        }
        rotary.rotate_back(djoint, shape.heads + shape.groups, joined.padded, joined.all());
        linear_back(djoint, k.normed, l.joint, &l.joint_bias, dnormed, grads, rows);
    }

    template <class A> void mlp(const Layer &l, const Kept &k, float *update, long rows) const {
        linear(k.mlp_normed, l.inner, &l.inner_bias, k.inner, rows);
        if (shape.gated)
            gate_keeping_slopes<A>(k.inner, k.active, rows, inner.all());
        else
            activate_keeping_slopes<A>(k.inner, k.active, rows, inner.all());
        linear(k.active, l.outer, nullptr, update, rows);
    }

    void mlp_back(const Layer &l, const Kept &k, const float *dupdate, float *dnormed, float *grads, long rows) const {
        Scratch scratch;
        float *dactive = scratch.take(rows * inner.all()), *dinner = scratch.take(rows * inners.all());
        linear_back(dupdate, k.active, l.outer, nullptr, dactive, grads, rows);
        multiply_slopes(dactive, k.inner, dinner, rows, inners.count, inner.all());
        linear_back(dinner, k.mlp_normed, l.inner, &l.inner_bias, dnormed, grads, rows);
    }

    // Loss in nats of a window, and its gradients times `by`, added to grads.
    double window_loss(const int64_t *inputs, const int64_t *targets, const Rotary &rotary, float *grads,
                       float by) const {
        Scratch scratch;
        const long rows = padded(rotary.positions, ROWS), wide = rows * width.all();
        std::vector<Kept> kept;
        float *total = scratch.zeros(wide), *update = scratch.take(wide);
        for (long t = 0; t < rotary.positions; t++)
            std::copy_n(embedding.of.value + inputs[t] * shape.width, shape.width, total + t * width.all());

        const Matrix *update_bias = nullptr; // of the sublayer before, added by the norm that follows
        bool first = true;
        auto next = [&](const Matrix &weight, const Matrix &bias, float *&to_total, float *&normed, float *&stats) {
            to_total = first ? total : scratch.take(wide);
            normed = scratch.take(wide), stats = scratch.take(2 * rows);
            normalise(total, first ? nullptr : update, update_bias, weight, bias, to_total, normed, stats, rows);
            total = to_total;
            first = false;
        };
        for (const Layer &l : layers) {
            Kept k = {};
            next(l.attention_norm, l.attention_norm_bias, k.total, k.normed, k.stats);
            k.joint = scratch.take(rows * joined.all()), k.mixed = scratch.take(rows * mixed.all());
            if (rows * rows <= KEPT_WEIGHTS) {
                k.weights = scratch.take(shape.heads * rows * rows), k.inverses = scratch.take(shape.heads * rows);
            } else
                k.log_sums = scratch.take(shape.heads * rows);
            attention(l, k, rotary, rows);
            linear(k.mixed, l.out, nullptr, update, rows);
            update_bias = &l.out_bias;
            if (l.inner) {
                next(l.mlp_norm, l.mlp_norm_bias, k.mlp_total, k.mlp_normed, k.mlp_stats);
                k.inner = scratch.take(rows * inners.all()), k.active = scratch.take(rows * inner.all());
                shape.silu ? mlp<Silu>(l, k, update, rows) : mlp<Gelu>(l, k, update, rows);
                update_bias = &l.outer_bias;
            }
            kept.push_back(k);
        }
        float *final_total, *normed, *stats, *dnormed = scratch.take(wide), *dtotal = scratch.take(wide);
        next(final_norm, final_norm_bias, final_total, normed, stats);
        const double loss = output_loss(normed, targets, rotary.positions, dnormed, grads, by);

        normalise_back(dnormed, nullptr, final_total, stats, update_bias, final_norm, final_norm_bias, dtotal, grads,
                       rows);
        for (long i = shape.layers - 1; i >= 0; i--) {
            const Layer &l = layers[i];
            const Kept &k = kept[i];
            if (l.inner) {
                mlp_back(l, k, dtotal, dnormed, grads, rows);
                normalise_back(dnormed, dtotal, k.mlp_total, k.mlp_stats, &l.out_bias, l.mlp_norm, l.mlp_norm_bias,
                               dtotal, grads, rows);
            }
            attention_back(l, k, rotary, dtotal, dnormed, grads, rows);
            const Matrix *before = i == 0 ? nullptr : layers[i - 1].inner ? &layers[i - 1].outer_bias : &layers[i - 1].out_bias;
            normalise_back(dnormed, dtotal, k.total, k.stats, before, l.attention_norm, l.attention_norm_bias, dtotal,
                           grads, rows);
        }
        for (long t = 0; t < rotary.positions; t++) {
            float *row = grads + embedding.offset + inputs[t] * width.all();
            for (long j = 0; j < width.all(); j += WIDTH) store(row + j, load(row + j) + load(dtotal + t * width.all() + j));
        }
        return loss;
    }

    // The loss of the output layer on x (rows, width), its gradient dx, and that of the layer's matrix.
    double output_loss(const float *x, const int64_t *targets, long positions, float *dx, float *grads, float by) const {
        Scratch scratch;
        const Matrix &w = output();
        const long rows = padded(positions, ROWS), V = words.all(), d = width.all();
        const long block = std::max(ROWS, std::min(rows, LOGITS / V / ROWS * ROWS));
        float *logits = scratch.take(block * V);
        double loss = 0.0;
        for (long begin = 0; begin < rows; begin += block) {
            const long M = std::min(block, rows - begin);
            linear(x + begin * d, w, nullptr, logits, M);
            for (long i = 0; i < M; i++) {
                const int64_t target = begin + i < positions ? targets[begin + i] : -1;
                if (is_token(target))
                    loss += cross_entropy(logits + i * V, target, by, shape.vocabulary);
                else
                    std::fill_n(logits + i * V, V, 0.0f);
            }
            linear_back(logits, x + begin * d, w, nullptr, dx + begin * d, grads, M);
        }
        return loss;
    }

    // AdamW (Loshchilov & Hutter 2019) on the sum of the groups' gradients; or that sum alone, kept.
    void update(const Matrix &m, long groups, const AdamW &rule, double rate, long count) {
        const float beta1 = rule.beta1, beta2 = rule.beta2, epsilon = rule.epsilon;
        const float keep = m.is_matrix ? 1.0 - rate * rule.weight_decay : 1.0;
        const float size = rate / (1.0 - std::pow(rule.beta1, count));
        const float root = std::sqrt(1.0 - std::pow(rule.beta2, count));
        m.each_stretch([&](long to, long from, long n) {
            float *sum = gradients.data() + m.offset + from;
            for (long group = 1; group < groups; group++) {
                const float *other = sum + group * n_gradients;
                for (long j = 0; j < n; j++) sum[j] += other[j];
            }
            if (!rule.update) {
                std::copy_n(sum, n, m.of.gradient + to);
                return;
            }
            float *__restrict value = m.of.value + to, *__restrict mean = m.of.mean + to;
            float *__restrict square = m.of.square + to;
            for (long j = 0; j < n; j++) {
                mean[j] += (sum[j] - mean[j]) * (1.0f - beta1);
                square[j] = beta2 * square[j] + (1.0f - beta2) * sum[j] * sum[j];
                value[j] = keep * value[j] - size * mean[j] / (std::sqrt(square[j]) / root + epsilon);
            }
        });
    }
};

} // namespace kernels
