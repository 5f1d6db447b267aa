// Fused kernels of the decoder for float32 on a CPU; native.py builds and calls them.
//
// Matrix products of the linear layers stay with the BLAS of torch. Here is what lies between them: norms,
// activations, attention and the loss, each in one pass over memory, forward and backward.
//
// All arrays are contiguous and row-major. Work is cut into tasks by shape alone and every sum over tasks is
// taken in their order, so results do not depend on the number of threads, nor on which thread takes a task.
// Nothing assumes finite numbers: NaN and infinity in an input reach the output.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#ifdef __AVX512F__
#include <immintrin.h>
#endif

namespace {

// ---------------------------------------------------------------------------------------------- vectors

#if defined(__AVX512F__)
constexpr long WIDTH = 16;
constexpr long TALL = 16; // rows of a tile one vector wide: as many accumulators as the registers hold
#elif defined(__AVX__)
constexpr long WIDTH = 8;
constexpr long TALL = 8;
#else
constexpr long WIDTH = 4;
constexpr long TALL = 8;
#endif
constexpr long HALF = WIDTH / 2;

template <class T, long N> struct Vector { typedef T type __attribute__((vector_size(sizeof(T) * N))); };
typedef Vector<float, WIDTH>::type vec;
typedef Vector<float, HALF>::type half;
typedef Vector<int32_t, WIDTH>::type ints;

template <class V = vec> inline V load(const float *p) {
    V v;
    std::memcpy(&v, p, sizeof v);
    return v;
}

template <class V> inline void store(float *p, V v) { std::memcpy(p, &v, sizeof v); }

// The first `n` numbers, where fewer than WIDTH are left of a row; zeros above them.
inline vec load(const float *p, long n) {
    if (n >= WIDTH) return load(p);
#ifdef __AVX512F__
    return vec(_mm512_maskz_loadu_ps(__mmask16((1u << n) - 1), p));
#else
    vec v = {};
    for (long i = 0; i < n; i++) v[i] = p[i];
    return v;
#endif
}

inline void store(float *p, vec v, long n) {
    if (n >= WIDTH) return store(p, v);
#ifdef __AVX512F__
    _mm512_mask_storeu_ps(p, __mmask16((1u << n) - 1), __m512(v));
#else
    for (long i = 0; i < n; i++) p[i] = v[i];
#endif
}

inline vec all(float x) { return vec{} + x; }

// The first `n` of x, and `other` above them.
inline vec first(vec x, long n, float other) {
    ints lane;
    for (int i = 0; i < WIDTH; i++) lane[i] = i;
    return lane < int32_t(n) ? x : all(other);
}

inline vec load_or(const float *p, long n, float other) {
    return n >= WIDTH ? load(p) : first(load(p, n), n, other);
}

inline vec larger(vec a, vec b) { return b > a ? b : a; }

inline float sum(vec v) {
#ifdef __AVX512F__
    return _mm512_reduce_add_ps(__m512(v));
#else
    float s[WIDTH];
    store(s, v);
    for (long n = HALF; n > 0; n /= 2)
        for (long i = 0; i < n; i++) s[i] += s[i + n];
    return s[0];
#endif
}

inline float max(vec v) {
#ifdef __AVX512F__
    return _mm512_reduce_max_ps(__m512(v));
#else
    float s[WIDTH];
    store(s, v);
    for (long n = HALF; n > 0; n /= 2)
        for (long i = 0; i < n; i++) s[i] = s[i + n] > s[i] ? s[i + n] : s[i];
    return s[0];
#endif
}

// ------------------------------------------------------------------------------------------- functions

// e^x for x <= 0 to 2e-7 of its value; exactly 0 below -87, before results turn denormal and slow.
inline vec exp(vec x) {
    const float shift = 12582912.0f; // 1.5·2^23: adding it rounds to an integer, left in the low bits
    vec clamped = x < -87.0f ? all(-87.0f) : x;
    vec shifted = clamped * 1.44269504f + shift;
    vec n = shifted - shift;
    vec r = clamped - n * 0.693359375f + n * 2.12194440e-4f; // ln 2 in two parts
    vec p = r * 1.9875691500e-4f + 1.3981999507e-3f;         // Cephes expf
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    vec power = (vec)(((ints)shifted << 23) + (127 << 23));
    return x < -87.0f ? vec{} : p * power;
}

// x·P(x²), P a polynomial in t = 2x²/bound² - 1: coefficients are least maximal-error fits on |x| <= bound.
template <int N> inline vec odd_polynomial(vec x, float bound, const float (&c)[N]) {
    vec t = x * x * (2.0f / (bound * bound)) - 1.0f;
    vec p = all(c[N - 1]);
    for (int i = N - 2; i >= 0; i--) p = p * t + c[i];
    return x * p;
}

struct Gelu { // exact (erf); both functions to 5e-7
    static vec value(vec x) { // x·Φ(x)
        const float bound = 5.0f;
        static const float c[] = {0.14136379957f, -0.07029684633f, 0.05151917413f, -0.04042525962f, 0.03145730495f,
                                  -0.02342014574f, 0.01634978317f, -0.01060156897f, 0.00645085191f, -0.00369551289f,
                                  0.00182346010f, -0.00074795028f, 0.00041969318f, -0.00028383307f, 0.00008698372f};
        vec y = x * (odd_polynomial(x, bound, c) + 0.5f);
        y = x < -bound ? vec{} : y;
        return x > bound ? x : y;
    }
    static vec slope(vec x) { // Φ(x) + x·φ(x)
        const float bound = 5.5f;
        static const float c[] = {0.12875920534f, -0.06573971361f, 0.05366517976f, -0.05374367908f, 0.06031575799f, -0.06864280254f,
                                  0.07423520088f, -0.07404282689f, 0.06525969505f, -0.05008931085f, 0.03914458677f,
                                  -0.03207511827f, 0.01712847874f, -0.00337164570f, 0.00366555294f, -0.00578245195f,
                                  0.00222308515f};
        vec y = odd_polynomial(x, bound, c) + 0.5f;
        y = x < -bound ? vec{} : y;
        return x > bound ? all(1.0f) : y;
    }
};

struct Silu {
    static vec sigmoid(vec x) {
        vec e = exp(x < 0.0f ? x : -x);
        return (x < 0.0f ? e : all(1.0f)) / (e + 1.0f);
    }
    static vec value(vec x) { return x * sigmoid(x); }
    static vec slope(vec x) {
        vec s = sigmoid(x);
        return s * (1.0f + x * (1.0f - s));
    }
};

// ---------------------------------------------------------------------------------------------- threads

typedef void (*Pool)(void (*)(void *), void *, unsigned, unsigned);
Pool pool = nullptr;

// task(0) … task(tasks - 1), each once, on the threads of the OpenMP runtime that torch uses.
template <class Task> void parallel(long tasks, long threads, Task task) {
    struct Job {
        Task &task;
        long tasks;
        std::atomic<long> next;
    } job{task, tasks, {0}};
    auto work = [](void *data) {
        Job &job = *static_cast<Job *>(data);
        for (long i; (i = job.next.fetch_add(1, std::memory_order_relaxed)) < job.tasks;) job.task(i);
    };
    threads = std::min(threads, tasks);
    if (pool && threads > 1)
        pool(work, &job, unsigned(threads), 0);
    else
        work(&job);
}

// Scratch of a thread, kept between calls: aligned, of at least `n` floats.
float *scratch(long n) {
    struct Free {
        void operator()(float *p) const { std::free(p); }
    };
    thread_local std::unique_ptr<float, Free> memory;
    thread_local long size = 0;
    if (n > size) {
        memory.reset();
        memory.reset(static_cast<float *>(std::aligned_alloc(64, (n * sizeof(float) + 63) / 64 * 64)));
        size = memory ? n : 0;
        if (!memory) std::abort();
    }
    return memory.get();
}

constexpr long ROWS = 64; // rows of a task, where tasks are runs of rows; native.py sizes partial sums by it

// ------------------------------------------------------------------------------------- matrix products

// C (M, N) = A·B, or += where `add`. A(i, k) = a[i·ai + k·ak], so that A may be stored transposed.
template <class V, int M, int N>
inline void tile(const float *a, long ai, long ak, const float *b, long ldb, float *c, long ldc, long K,
                 bool add) {
    constexpr long width = sizeof(V) / sizeof(float);
    V sums[M][N];
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) sums[i][j] = add ? load<V>(c + i * ldc + j * width) : V{};
    for (long k = 0; k < K; k++) {
        V row[N];
        for (int j = 0; j < N; j++) row[j] = load<V>(b + k * ldb + j * width);
        for (int i = 0; i < M; i++)
            for (int j = 0; j < N; j++) sums[i][j] += a[i * ai + k * ak] * row[j];
    }
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) store<V>(c + i * ldc + j * width, sums[i][j]);
}

// The same for any N that is a multiple of HALF, and M of TALL.
void gemm(long M, long N, long K, const float *a, long ai, long ak, const float *b, long ldb, float *c,
          long ldc, bool add) {
    long j = 0;
    for (; j + 2 * WIDTH <= N; j += 2 * WIDTH)
        for (long i = 0; i < M; i += TALL / 2)
            tile<vec, TALL / 2, 2>(a + i * ai, ai, ak, b + j, ldb, c + i * ldc + j, ldc, K, add);
    for (; j + WIDTH <= N; j += WIDTH)
        for (long i = 0; i < M; i += TALL)
            tile<vec, TALL, 1>(a + i * ai, ai, ak, b + j, ldb, c + i * ldc + j, ldc, K, add);
    for (; j < N; j += HALF)
        for (long i = 0; i < M; i += TALL)
            tile<half, TALL, 1>(a + i * ai, ai, ak, b + j, ldb, c + i * ldc + j, ldc, K, add);
}

// -------------------------------------------------------------------------------------------- attention

constexpr long BLOCK = 32; // query rows whose scores are in cache at a time

inline long padded(long n, long to) { return (n + to - 1) / to * to; }

// One head of all positions of a window: rows of length D, `stride` apart in memory.
struct Heads {
    long window, D, R; // positions, dimensions, rotated dimensions
    const float *cos, *sin;
    long rows, cols; // window and D padded for gemm

    Heads(long window, long D, long R, const float *cos, const float *sin)
        : window(window), D(D), R(R), cos(cos), sin(sin), rows(padded(window, 16)), cols(padded(D, HALF)) {}

    long size() const { return rows * cols; }

    // (rows, cols), zero where padded ← source + bias, times scale.
    void gather(float *to, const float *from, long stride, const float *bias, float scale) const {
        for (long t = 0; t < window; t++, to += cols, from += stride) {
            for (long j = 0; j < D; j += WIDTH) {
                vec x = load(from + j, D - j);
                if (bias) x += load(bias + j, D - j);
                store(to + j, x * scale, cols - j);
            }
        }
        std::fill(to, to + (rows - window) * cols, 0.0f);
    }

    // In place: x·cos + rotate_half(x)·sin on the first R dimensions.
    void rotate(float *x) const {
        const long h = R / 2;
        for (long t = 0; t < window; t++) {
            const float *c = cos + t * R, *s = sin + t * R;
            float *a = x + t * cols, *b = a + h;
            for (long j = 0; j < h; j++) {
                float one = a[j], two = b[j];
                a[j] = one * c[j] - two * s[j];
                b[j] = two * c[j + h] + one * s[j + h];
            }
        }
    }

    // In place: the transpose of rotate, which carries gradients back.
    void rotate_back(float *x) const {
        const long h = R / 2;
        for (long t = 0; t < window; t++) {
            const float *c = cos + t * R, *s = sin + t * R;
            float *a = x + t * cols, *b = a + h;
            for (long j = 0; j < h; j++) {
                float one = a[j], two = b[j];
                a[j] = one * c[j] + two * s[j + h];
                b[j] = two * c[j + h] - one * s[j];
            }
        }
    }

    // (D, rows) ← (rows, cols)
    void transpose(float *to, const float *from) const {
        for (long first = 0; first < rows; first += 16) // a few rows at a time, which stay in the cache
            for (long j = 0; j < D; j++)
                for (long t = first; t < first + 16; t++) to[j * rows + t] = from[t * cols + j];
    }

    // Rows of a result into its place in memory; their sum over positions into `total` where wanted.
    void scatter(float *to, long stride, const float *from, float *total) const {
        if (total) std::fill(total, total + D, 0.0f);
        for (long t = 0; t < window; t++, to += stride, from += cols) {
            for (long j = 0; j < D; j += WIDTH) {
                vec x = load(from + j, D - j);
                store(to + j, x, D - j);
                if (total) store(total + j, load(total + j, D - j) + x, D - j);
            }
        }
    }
};

const float LOWEST = -std::numeric_limits<float>::infinity();

void attend(const float *joint, const float *bias, float *out, float *lse, const Heads &h, long heads,
            long groups, long batch, long group) {
    const long D = h.D, stride = (heads + 2 * groups) * D, rows = h.rows, cols = h.cols;
    float *q = scratch(4 * h.size() + BLOCK * (rows + cols));
    float *k = q + h.size(), *kt = k + h.size(), *v = kt + h.size(), *scores = v + h.size();
    float *mixed = scores + BLOCK * rows;
    const float *source = joint + batch * h.window * stride;
    auto gather = [&](float *to, long head, float scale) {
        h.gather(to, source + head * D, stride, bias ? bias + head * D : nullptr, scale);
    };
    gather(k, heads + group, 1.0f);
    h.rotate(k);
    h.transpose(kt, k);
    gather(v, heads + groups + group, 1.0f);

    for (long head = group * (heads / groups); head < (group + 1) * (heads / groups); head++) {
        gather(q, head, 1.0f / std::sqrt(float(D)));
        h.rotate(q);
        for (long begin = 0; begin < h.window; begin += BLOCK) {
            const long M = std::min(BLOCK, rows - begin), n = begin + M;
            gemm(M, n, D, q + begin * cols, cols, 1, kt, rows, scores, rows, false);
            float totals[BLOCK], tops[BLOCK];
            for (long i = 0; i < M; i++) {
                float *s = scores + i * rows;
                const long edge = (begin + i) / WIDTH * WIDTH; // of the vector with the row's own position
                const vec last = first(load(s + edge), begin + i + 1 - edge, LOWEST);
                vec highest = last;
                for (long j = 0; j < edge; j += WIDTH) highest = larger(highest, load(s + j));
                tops[i] = max(highest);
                vec weight = exp(last - tops[i]), total = weight;
                store(s + edge, weight);
                for (long j = 0; j < edge; j += WIDTH) {
                    weight = exp(load(s + j) - tops[i]);
                    store(s + j, weight);
                    total += weight;
                }
                for (long j = edge + WIDTH; j < n; j += WIDTH) store(s + j, vec{});
                totals[i] = sum(total);
            }
            gemm(M, cols, n, scores, rows, 1, v, cols, mixed, cols, false);
            for (long i = 0; i < std::min(M, h.window - begin); i++) {
                const long t = begin + i;
                float *to = out + ((batch * h.window + t) * heads + head) * D;
                const float inverse = 1.0f / totals[i]; // of the mixed values, not of the many more weights
                for (long j = 0; j < D; j += WIDTH)
                    store(to + j, load(mixed + i * cols + j, D - j) * inverse, D - j);
                lse[(batch * heads + head) * h.window + t] = tops[i] + std::log(totals[i]);
            }
        }
    }
}

// The gradient of `joint` from those of `out`: weights are made again from the scores and `lse`.
void attend_back(const float *grad, const float *joint, const float *bias, const float *out,
                 const float *lse, float *grad_joint, float *grad_bias, const Heads &h, long heads,
                 long groups, long batch, long group) {
    const long D = h.D, stride = (heads + 2 * groups) * D, rows = h.rows, cols = h.cols;
    float *q = scratch(9 * h.size() + 2 * BLOCK * rows);
    float *k = q + h.size(), *kt = k + h.size(), *v = kt + h.size(), *vt = v + h.size();
    float *dq = vt + h.size(), *dk = dq + h.size(), *dv = dk + h.size(), *dmixed = dv + h.size();
    float *weights = dmixed + h.size(), *dscores = weights + BLOCK * rows;
    const float scale = 1.0f / std::sqrt(float(D));
    const long from = batch * h.window;
    auto gather = [&](float *to, long head, float by) {
        h.gather(to, joint + from * stride + head * D, stride, bias ? bias + head * D : nullptr, by);
    };
    auto scatter = [&](const float *x, long head) {
        h.scatter(grad_joint + from * stride + head * D, stride, x,
                  grad_bias ? grad_bias + batch * stride + head * D : nullptr);
    };
    gather(k, heads + group, 1.0f);
    h.rotate(k);
    h.transpose(kt, k);
    gather(v, heads + groups + group, 1.0f);
    h.transpose(vt, v);
    std::fill(dk, dk + h.size(), 0.0f);
    std::fill(dv, dv + h.size(), 0.0f);

    for (long head = group * (heads / groups); head < (group + 1) * (heads / groups); head++) {
        gather(q, head, scale);
        h.rotate(q);
        h.gather(dmixed, grad + (from * heads + head) * D, heads * D, nullptr, 1.0f);
        for (long begin = 0; begin < h.window; begin += BLOCK) {
            const long M = std::min(BLOCK, rows - begin), n = begin + M;
            gemm(M, n, D, q + begin * cols, cols, 1, kt, rows, weights, rows, false);
            gemm(M, n, D, dmixed + begin * cols, cols, 1, vt, rows, dscores, rows, false);
            for (long i = 0; i < M; i++) {
                float *p = weights + i * rows, *ds = dscores + i * rows;
                const long t = begin + i;
                if (t >= h.window) { // a row of padding
                    std::fill(p, p + n, 0.0f);
                    std::fill(ds, ds + n, 0.0f);
                    continue;
                }
                const float *o = out + ((from + t) * heads + head) * D, *g = dmixed + t * cols;
                vec products = {};
                for (long j = 0; j < D; j += WIDTH) products += load(o + j, D - j) * load(g + j, D - j);
                const float mean = sum(products), log_sum = lse[(batch * heads + head) * h.window + t];
                const long edge = t / WIDTH * WIDTH;
                vec weight = exp(first(load(p + edge), t + 1 - edge, LOWEST) - log_sum);
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
            gemm(n, cols, M, weights, 1, rows, dmixed + begin * cols, cols, dv, cols, true);
            gemm(n, cols, M, dscores, 1, rows, q + begin * cols, cols, dk, cols, true);
            gemm(M, cols, n, dscores, rows, 1, k, cols, dq + begin * cols, cols, false);
        }
        for (long i = 0; i < h.size(); i += HALF) store(dq + i, load<half>(dq + i) * scale);
        h.rotate_back(dq);
        scatter(dq, head);
    }
    h.rotate_back(dk);
    scatter(dk, heads + group);
    scatter(dv, heads + groups + group);
}

// ------------------------------------------------------------------------------------------ activations

// (n, m) → (n, m), of x + bias
template <class A> void activate(const float *x, const float *bias, float *y, long begin, long end, long m) {
    for (long i = begin; i < end; i++)
        for (long j = 0; j < m; j += WIDTH) {
            vec v = load(x + i * m + j, m - j);
            if (bias) v += load(bias + j, m - j);
            store(y + i * m + j, A::value(v), m - j);
        }
}

// total (m,): the gradient of the bias that these rows give, where wanted
template <class A>
void activate_back(const float *grad, const float *x, const float *bias, float *dx, float *total, long begin,
                   long end, long m) {
    if (total) std::fill(total, total + m, 0.0f);
    for (long i = begin; i < end; i++)
        for (long j = 0; j < m; j += WIDTH) {
            vec v = load(x + i * m + j, m - j);
            if (bias) v += load(bias + j, m - j);
            vec d = load(grad + i * m + j, m - j) * A::slope(v);
            store(dx + i * m + j, d, m - j);
            if (total) store(total + j, load(total + j, m - j) + d, m - j);
        }
}

// (n, 2m) → (n, m)
template <class A> void gate(const float *x, float *y, long begin, long end, long m) {
    for (long i = begin; i < end; i++)
        for (long j = 0; j < m; j += WIDTH) {
            const float *g = x + i * 2 * m + j;
            store(y + i * m + j, A::value(load(g, m - j)) * load(g + m, m - j), m - j);
        }
}

template <class A>
void gate_back(const float *grad, const float *x, float *dx, long begin, long end, long m) {
    for (long i = begin; i < end; i++)
        for (long j = 0; j < m; j += WIDTH) {
            const float *g = x + i * 2 * m + j;
            float *d = dx + i * 2 * m + j;
            vec v = load(g, m - j), up = load(g + m, m - j), dy = load(grad + i * m + j, m - j);
            store(d, dy * up * A::slope(v), m - j);
            store(d + m, dy * A::value(v), m - j);
        }
}

// ------------------------------------------------------------------------------------------------- norm

// y = (x - mean)·weight/deviation + bias, or without mean and bias where there is no bias; keeps mean and
// 1/deviation of each row. With `update`, x is first x + update + update_bias, and stored in `sum_`.
void norm(const float *x, const float *update, const float *update_bias, const float *weight,
          const float *bias, float *sum_, float *y, float *stats, float eps, long begin, long end, long d) {
    const bool centred = bias;
    for (long i = begin; i < end; i++) {
        const float *row = x + i * d;
        vec total = {}, squares = {};
        if (update) {
            for (long j = 0; j < d; j += WIDTH) {
                vec v = load(row + j, d - j) + load(update + i * d + j, d - j);
                if (update_bias) v += load(update_bias + j, d - j);
                store(sum_ + i * d + j, v, d - j);
                total += v;
            }
            row = sum_ + i * d;
        } else if (centred) {
            for (long j = 0; j < d; j += WIDTH) total += load(row + j, d - j);
        }
        const float mean = centred ? sum(total) / d : 0.0f;
        for (long j = 0; j < d; j += WIDTH) {
            vec v = load_or(row + j, d - j, mean) - mean;
            squares += v * v;
        }
        const float scale = 1.0f / std::sqrt(sum(squares) / d + eps);
        stats[2 * i] = mean;
        stats[2 * i + 1] = scale;
        for (long j = 0; j < d; j += WIDTH) {
            vec v = (load(row + j, d - j) - mean) * scale * load(weight + j, d - j);
            if (centred) v += load(bias + j, d - j);
            store(y + i * d + j, v, d - j);
        }
    }
}

// dx = the norm's gradient, plus `grad_sum` (of the sum itself) where there is one. totals (3, d): what these
// rows add to the gradients of weight, bias and update_bias.
void norm_back(const float *grad, const float *grad_sum, const float *x, const float *weight,
               const float *stats, float *dx, float *totals, bool centred, bool updated, long begin, long end,
               long d) {
    std::fill(totals, totals + 3 * d, 0.0f);
    for (long i = begin; i < end; i++) {
        const float mean = stats[2 * i], scale = stats[2 * i + 1];
        vec sums = {}, products = {};
        for (long j = 0; j < d; j += WIDTH) {
            const long n = d - j;
            vec g = load(grad + i * d + j, n), v = (load(x + i * d + j, n) - mean) * scale, gv = g * v;
            store(totals + j, load(totals + j, n) + gv, n);
            if (centred) store(totals + d + j, load(totals + d + j, n) + g, n);
            vec w = load(weight + j, n);
            sums += g * w;
            products += gv * w;
        }
        const float along = sum(products) / d, constant = centred ? sum(sums) / d : 0.0f;
        for (long j = 0; j < d; j += WIDTH) {
            const long n = d - j;
            vec v = (load(x + i * d + j, n) - mean) * scale;
            vec r = (load(grad + i * d + j, n) * load(weight + j, n) - constant - v * along) * scale;
            if (grad_sum) r += load(grad_sum + i * d + j, n);
            store(dx + i * d + j, r, n);
            if (updated) store(totals + 2 * d + j, load(totals + 2 * d + j, n) + r, n);
        }
    }
}

// ------------------------------------------------------------------------------------------------- loss

// Cross entropy of one row of V logits, turned into its gradient in place where wanted.
float cross_entropy(float *logits, long target, bool differentiate, long V) {
    vec tops = all(LOWEST);
    for (long j = 0; j < V; j += WIDTH) tops = larger(tops, load_or(logits + j, V - j, LOWEST));
    const float top = max(tops), chosen = logits[target];
    vec totals = {};
    for (long j = 0; j < V; j += WIDTH) {
        vec p = exp(load_or(logits + j, V - j, LOWEST) - top);
        if (differentiate) store(logits + j, p, V - j);
        totals += p;
    }
    const float total = sum(totals);
    if (differentiate) {
        const float inverse = 1.0f / total;
        for (long j = 0; j < V; j += WIDTH) store(logits + j, load(logits + j, V - j) * inverse, V - j);
        logits[target] -= 1.0f;
    }
    return std::log(total) + top - chosen;
}

inline long tasks_of(long n) { return (n + ROWS - 1) / ROWS; }

// task(i, begin, end) for runs of `rows` of n rows
template <class Task> void over_rows(long n, long threads, Task task, long rows = ROWS) {
    parallel((n + rows - 1) / rows, threads,
             [&](long i) { task(i, i * rows, std::min(n, (i + 1) * rows)); });
}

// to (m,) = the sum of the rows of partial (n, m), in order
void add_up(float *to, const float *partial, long n, long m) {
    std::copy(partial, partial + m, to);
    for (long i = 1; i < n; i++)
        for (long j = 0; j < m; j++) to[j] += partial[i * m + j];
}

} // namespace

// ------------------------------------------------------------- what native.py calls; pointers may be null

extern "C" {

void use_pool(Pool found) { pool = found; }

// joint (batch, window, (heads + 2·groups)·D), bias of its last axis or null → out (batch, window, heads·D)
// and lse (batch, heads, window)
void attention_forward(const float *joint, const float *bias, const float *cos, const float *sin, float *out,
                       float *lse, long batch, long window, long heads, long groups, long D, long R,
                       long threads) {
    const Heads h(window, D, R, cos, sin);
    parallel(batch * groups, threads,
             [&](long i) { attend(joint, bias, out, lse, h, heads, groups, i / groups, i % groups); });
}

// grad_bias (batch, (heads + 2·groups)·D): for each window of the batch
void attention_backward(const float *grad, const float *joint, const float *bias, const float *cos,
                        const float *sin, const float *out, const float *lse, float *grad_joint,
                        float *grad_bias, long batch, long window, long heads, long groups, long D, long R,
                        long threads) {
    const Heads h(window, D, R, cos, sin);
    parallel(batch * groups, threads, [&](long i) {
        attend_back(grad, joint, bias, out, lse, grad_joint, grad_bias, h, heads, groups, i / groups,
                    i % groups);
    });
}

void activate_forward(const float *x, const float *bias, float *y, long n, long m, long silu, long threads) {
    over_rows(n, threads, [&](long, long begin, long end) {
        (silu ? activate<Silu> : activate<Gelu>)(x, bias, y, begin, end, m);
    });
}

// partial (tasks, m) is scratch for grad_bias (m,); both null where there is no bias
void activate_backward(const float *grad, const float *x, const float *bias, float *dx, float *grad_bias,
                       float *partial, long n, long m, long silu, long threads) {
    over_rows(n, threads, [&](long i, long begin, long end) {
        (silu ? activate_back<Silu> : activate_back<Gelu>)(
            grad, x, bias, dx, partial ? partial + i * m : nullptr, begin, end, m);
    });
    if (partial) add_up(grad_bias, partial, tasks_of(n), m);
}

void gate_forward(const float *x, float *y, long n, long m, long silu, long threads) {
    over_rows(n, threads, [&](long, long begin, long end) {
        (silu ? gate<Silu> : gate<Gelu>)(x, y, begin, end, m);
    });
}

void gate_backward(const float *grad, const float *x, float *dx, long n, long m, long silu, long threads) {
    over_rows(n, threads, [&](long, long begin, long end) {
        (silu ? gate_back<Silu> : gate_back<Gelu>)(grad, x, dx, begin, end, m);
    });
}

void norm_forward(const float *x, const float *update, const float *update_bias, const float *weight,
                  const float *bias, float *sum, float *y, float *stats, long n, long d, float eps,
                  long threads) {
    over_rows(n, threads, [&](long, long begin, long end) {
        norm(x, update, update_bias, weight, bias, sum, y, stats, eps, begin, end, d);
    });
}

// totals (3, d): gradients of weight, bias and update_bias; partial (tasks, 3, d) is scratch for them
void norm_backward(const float *grad, const float *grad_sum, const float *x, const float *weight,
                   const float *stats, float *dx, float *totals, float *partial, long n, long d, long centred,
                   long updated, long threads) {
    over_rows(n, threads, [&](long i, long begin, long end) {
        norm_back(grad, grad_sum, x, weight, stats, dx, partial + i * 3 * d, centred, updated, begin, end, d);
    });
    add_up(totals, partial, tasks_of(n), 3 * d);
}

// Losses (n,) of logits (n, V), which become their gradients where `differentiate`; both are zero where the
// target is `ignored`. Returns how many targets are no token.
long cross_entropy_rows(float *logits, const int64_t *targets, float *losses, long n, long V, long ignored,
                        long differentiate, long threads) {
    std::atomic<long> wrong{0};
    auto task = [&](long, long begin, long end) {
        for (long i = begin; i < end; i++) {
            const bool counts = targets[i] >= 0 && targets[i] < V;
            losses[i] = counts ? cross_entropy(logits + i * V, targets[i], differentiate, V) : 0.0f;
            if (!counts && targets[i] != ignored) wrong++;
            if (!counts && differentiate) std::fill(logits + i * V, logits + (i + 1) * V, 0.0f);
        }
    };
    over_rows(n, threads, task, 8); // there may be few rows, and they are long
    return wrong;
}
}
