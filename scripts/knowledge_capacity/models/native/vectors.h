// Vectors of as many floats as a register of this processor holds, and functions of them.

#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#endif

namespace kernels {

#if defined(__AVX512F__)
constexpr long WIDTH = 16;
#elif defined(__AVX2__)
constexpr long WIDTH = 8;
#else
constexpr long WIDTH = 4;
#endif

typedef float vec __attribute__((vector_size(sizeof(float) * WIDTH)));
typedef int32_t ints __attribute__((vector_size(sizeof(int32_t) * WIDTH)));

const float LOWEST = -std::numeric_limits<float>::infinity();

inline vec load(const float *p) {
    vec v;
    std::memcpy(&v, p, sizeof v);
    return v;
}

inline void store(float *p, vec v) { std::memcpy(p, &v, sizeof v); }

inline ints lanes() {
    ints lane;
    for (int i = 0; i < WIDTH; i++) lane[i] = i;
    return lane;
}

// The first `n` numbers, where fewer than WIDTH are left of a row; zeros above them.
inline vec load(const float *p, long n) {
    if (n >= WIDTH) return load(p);
#if defined(__AVX512F__)
    return vec(_mm512_maskz_loadu_ps(__mmask16((1u << n) - 1), p));
#elif defined(__AVX2__)
    return vec(_mm256_maskload_ps(p, __m256i(lanes() < int32_t(n))));
#else
    vec v = {};
    for (long i = 0; i < n; i++) v[i] = p[i];
    return v;
#endif
}

inline void store(float *p, vec v, long n) {
    if (n >= WIDTH) return store(p, v);
#if defined(__AVX512F__)
    _mm512_mask_storeu_ps(p, __mmask16((1u << n) - 1), __m512(v));
#elif defined(__AVX2__)
    _mm256_maskstore_ps(p, __m256i(lanes() < int32_t(n)), __m256(v));
#else
    for (long i = 0; i < n; i++) p[i] = v[i];
#endif
}

inline vec all(float x) { return vec{} + x; }

// The first `n` of x, and `other` above them.
inline vec first(vec x, long n, float other) { return lanes() < int32_t(n) ? x : all(other); }

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
    for (long n = WIDTH / 2; n > 0; n /= 2)
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
    for (long n = WIDTH / 2; n > 0; n /= 2)
        for (long i = 0; i < n; i++) s[i] = s[i + n] > s[i] ? s[i + n] : s[i];
    return s[0];
#endif
}

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

} // namespace kernels
